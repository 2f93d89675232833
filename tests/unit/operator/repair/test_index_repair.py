"""Redis is compared with the resources: single entries are repaired, a lost Redis is rebuilt."""

import pytest

from tests.unit.operator.builders import NOW, ahead, ended, processing, queued
from tests.unit.operator.observing import MemoryLink, MemoryRedis, redis_in_memory
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.redis.link import RedisUnavailableError
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.repair.index_repair import Differences, IndexRepair
from wherry_operator.repair.queue_index import QueueIndex


class Repaired:
    """A repair over a Redis in memory."""

    def __init__(self, link: MemoryLink | None = None) -> None:
        self.link = link or MemoryLink()
        self.cache = ClusterCache()
        self.index = QueueIndex(self.link.link, state_ttl_seconds=60)
        self.recoveries = 0
        self.repair = IndexRepair(
            self.link.link,
            self.index,
            self.cache,
            ServerClock(NOW.timestamp),
            on_recovery=[self._count],
        )

    def _count(self) -> None:
        self.recoveries += 1

    async def add(self, seen: DownloadJob, name: str = "job", *, put: bool = True) -> None:
        metadata = seen.metadata.model_copy(update={"name": name, "uid": name})
        view = JobView(seen.model_copy(update={"metadata": metadata}), 1)
        self.cache.put_job(view)
        if put:
            await self.index.put(view)


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    return redis_in_memory(monkeypatch)


async def settled(redis: MemoryRedis) -> Repaired:
    """Return a repair that has seen its Redis before."""
    seen = Repaired()
    await seen.repair.compare_all()
    seen.recoveries = 0
    return seen


async def test_the_first_comparison_rebuilds_queue_and_states(redis: MemoryRedis) -> None:
    seen = Repaired(MemoryLink(up=False))
    await seen.add(queued())
    await seen.add(processing(), "running", put=False)
    await seen.add(ended(Phase.COMPLETED, 60), "recent", put=False)
    await seen.add(ended(Phase.COMPLETED, 3_600), "old", put=False)
    assert redis.queues == {}
    await seen.repair.compare_all()
    assert redis.queues == {"default": {"tenant/job": 0}}
    assert redis.states.keys() == {"tenant/job", "tenant/running", "tenant/recent"}
    assert (seen.link.up, seen.recoveries) == (True, 1)


async def test_an_unchanged_redis_is_left_alone(redis: MemoryRedis) -> None:
    seen = await settled(redis)
    await seen.add(queued())
    seen.link.sent.clear()
    await seen.repair.compare_all()
    assert seen.recoveries == 0
    assert "enqueue" not in seen.link.sent


async def test_a_redis_that_lost_writes_is_rebuilt(redis: MemoryRedis) -> None:
    seen = await settled(redis)
    await seen.add(queued())
    redis.queues.clear()
    redis.marker = "of an older copy"
    await seen.repair.compare_all()
    assert redis.queues == {"default": {"tenant/job": 0}}
    assert seen.recoveries == 1


async def test_a_missing_entry_is_added_at_the_second_comparison(redis: MemoryRedis) -> None:
    """A job that a runner has just popped is missing for a moment."""
    seen = await settled(redis)
    await seen.add(queued())
    redis.queues["default"].clear()
    await seen.repair.compare_all()
    assert redis.queues == {"default": {}}
    await seen.repair.compare_all()
    assert redis.queues == {"default": {"tenant/job": 0}}


async def test_the_entry_of_a_job_that_was_deleted_meanwhile_is_dropped(redis: MemoryRedis) -> None:
    """A decision may put a job into the queue after its deletion was seen."""
    seen = await settled(redis)
    await seen.add(queued())
    seen.cache.drop_job("tenant/job", "job")
    redis.queues["default"].clear()
    for _ in range(2):
        await seen.repair.compare_all()
    assert seen.index.depth("default") == 0
    assert redis.queues == {"default": {}}


async def test_older_jobs_are_added_first(redis: MemoryRedis) -> None:
    seen = Repaired(MemoryLink(up=False))
    await seen.add(queued(queued_time=ahead(0)), "late")
    await seen.add(queued(queued_time=ahead(-60)), "early")
    await seen.repair.compare_all()
    assert list(redis.queues["default"]) == ["tenant/early", "tenant/late"]


@pytest.mark.parametrize(
    ("seen_job", "removed"),
    [
        (None, True),
        (processing(), True),
        (ended(Phase.FAILED), True),
        (queued(spec={"suspend": True}), True),
        (queued(next_attempt_time=ahead(5)), True),
        (queued(phase=None), False),
        (queued(), False),
    ],
    ids=["gone", "claimed", "failed", "suspended", "backoff", "new", "queued"],
)
async def test_an_entry_without_a_waiting_job_is_removed(
    redis: MemoryRedis, seen_job: DownloadJob | None, removed: bool
) -> None:
    seen = await settled(redis)
    await seen.add(queued(), "other")
    if seen_job is not None:
        await seen.add(seen_job, put=False)
    redis.queues["default"]["tenant/job"] = 0
    for _ in range(2):
        await seen.repair.compare_all()
    assert ("tenant/job" not in redis.queues["default"]) is removed
    assert "tenant/other" in redis.queues["default"]


async def test_an_outage_ends_with_a_rebuild(redis: MemoryRedis) -> None:
    seen = await settled(redis)
    seen.link.available = False
    with pytest.raises(RedisUnavailableError):
        await seen.repair.compare_all()
    await seen.add(queued())
    seen.link.available = True
    await seen.repair.compare_all()
    assert redis.queues == {"default": {"tenant/job": 0}}
    assert seen.recoveries == 1


def test_only_what_differs_twice_lasts() -> None:
    earlier = Differences(missing={"a", "b"}, extra={"c"})
    now = Differences(missing={"b", "d"}, extra={"c", "e"})
    assert now.lasting(earlier) == Differences(missing={"b"}, extra={"c"})
    assert not Differences()
