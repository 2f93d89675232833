"""The index knows which entries it should have, and sends nothing while Redis is unavailable."""

from typing import Any

import pytest

from tests.unit.operator.builders import ended, processing, queued
from tests.unit.operator.observing import MemoryLink, MemoryRedis, redis_in_memory
from wherry_core.job_snapshot import snapshot_of
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.repair.queue_index import QueueIndex

KEY = "tenant/job"


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    return redis_in_memory(monkeypatch)


def view(seen: DownloadJob, uid: str = "u") -> JobView:
    metadata = seen.metadata.model_copy(update={"uid": uid})
    return JobView(seen.model_copy(update={"metadata": metadata}), 1)


def index_on(link: MemoryLink) -> QueueIndex:
    return QueueIndex(link.link, state_ttl_seconds=60)


async def test_a_job_is_put_once(redis: MemoryRedis) -> None:
    link = MemoryLink()
    index = index_on(link)
    for _ in range(3):
        await index.put(view(queued()))
    assert link.sent == ["enqueue"]
    assert redis.queues == {"default": {KEY: 0}}
    assert index.waiting("default") == {KEY}
    assert index.depth("default") == 1


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"spec": {"priority": 9}}, ["remove", "enqueue"]),
        ({"attempt": 2}, ["enqueue"]),
    ],
    ids=["priority", "attempt"],
)
async def test_a_change_puts_the_job_again(
    redis: MemoryRedis, change: dict[str, Any], sent: list[str]
) -> None:
    link = MemoryLink()
    index = index_on(link)
    await index.put(view(queued()))
    link.sent.clear()
    await index.put(view(queued(**change)))
    assert link.sent == sent
    assert redis.queues["default"][KEY] == change.get("spec", {}).get("priority", 0)


async def test_a_claimed_job_loses_its_entry_without_a_command(redis: MemoryRedis) -> None:
    link = MemoryLink()
    index = index_on(link)
    await index.put(view(queued()))
    link.sent.clear()
    assert index.drop_entry(KEY)
    assert not index.drop_entry(KEY)
    assert (link.sent, index.depth("default"), list(index.pools())) == ([], 0, [])


async def test_during_an_outage_entries_are_only_noted(redis: MemoryRedis) -> None:
    link = MemoryLink(up=False, available=False)
    index = index_on(link)
    await index.put(view(queued()))
    assert (link.sent, redis.queues) == ([], {})
    assert index.waiting("default") == {KEY}
    link.up = link.available = True
    assert await index.put_again(KEY)
    assert not await index.put_again("tenant/other")
    assert redis.queues == {"default": {KEY: 0}}


async def test_a_deleted_job_loses_entry_and_state(redis: MemoryRedis) -> None:
    index = index_on(MemoryLink())
    waiting = view(queued())
    await index.put(waiting)
    await index.publish(waiting)
    await index.delete("tenant", "job", "u", snapshot_of(waiting.job))
    assert (redis.queues, redis.states) == ({"default": {}}, {})
    assert index.entry_of(KEY) is None


async def test_deleting_a_job_leaves_the_entry_of_its_namesake(redis: MemoryRedis) -> None:
    index = index_on(MemoryLink())
    await index.put(view(queued(), "second"))
    await index.delete("tenant", "job", "first", None)
    assert redis.queues == {"default": {KEY: 0}}
    assert index.entry_of(KEY) is not None


async def test_the_last_snapshot_is_only_that_of_the_same_job(redis: MemoryRedis) -> None:
    index = index_on(MemoryLink())
    await index.publish(view(ended(Phase.COMPLETED), "first"))
    assert await index.last_snapshot("tenant", "job", "first") is not None
    assert await index.last_snapshot("tenant", "job", "second") is None
    assert await index.last_snapshot("tenant", "other", "first") is None


async def test_a_processing_job_is_published_with_its_progress(redis: MemoryRedis) -> None:
    await index_on(MemoryLink()).publish(view(processing()))
    assert redis.states[KEY].progress == 40
