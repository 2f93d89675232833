"""Which snapshots the hub sends to which subscribers."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from wherry_api.stream.hub import Hub, Watch
from wherry_api.stream.subscriber import Subscriber
from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)


def snapshot(uid: str, step: int, created_at: datetime = BEGAN) -> JobSnapshot:
    return JobSnapshot(
        namespace="a",
        name="job",
        uid=uid,
        status=JobStatus.PROCESSING,
        attempt=1,
        step=step,
        progress=step,
        created_at=created_at,
        updated_at=created_at,
    )


OLD = snapshot("old", 7)
NEW = snapshot("new", 1, BEGAN + timedelta(seconds=1))


@pytest.fixture
def hub() -> Hub:
    return Hub(
        redis_client.connect(RedisSettings()),  # Nothing is sent to it here.
        public_url=None,
        max_streams=10,
        max_streams_per_tenant=10,
        heartbeat_seconds=30,
        send_timeout_seconds=20,
    )


class Client:
    def __init__(self, shown: JobSnapshot) -> None:
        self.text = ""
        self.ended = False
        self.subscriber = Subscriber(self.send, ("a", "job"), shown.order)

    async def send(self, message: dict[str, Any]) -> None:
        self.text += message["body"].decode()
        self.ended = not message["more_body"]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_subscribers_of_a_recreated_job_receive_the_deletion(hub: Hub) -> None:
    watch = Watch(("a", "job"))
    hub.take(watch, OLD)
    client = Client(OLD)
    hub.attach(watch, client.subscriber, OLD)
    hub.take(watch, NEW)
    await settle()
    assert "The job was deleted." in client.text
    assert client.ended
    assert watch.snapshot == NEW


async def test_a_subscriber_of_a_job_recreated_meanwhile_receives_the_deletion(hub: Hub) -> None:
    watch = Watch(("a", "job"))
    hub.take(watch, OLD)
    hub.take(watch, NEW)
    late, fresh = Client(OLD), Client(NEW)
    hub.attach(watch, late.subscriber, OLD)
    hub.attach(watch, fresh.subscriber, NEW)
    await settle()
    assert "The job was deleted." in late.text
    assert (fresh.text, fresh.ended) == ("", False)


async def test_a_late_snapshot_of_the_old_job_is_ignored(hub: Hub) -> None:
    watch = Watch(("a", "job"))
    hub.take(watch, NEW)
    client = Client(NEW)
    hub.attach(watch, client.subscriber, NEW)
    hub.take(watch, OLD)
    hub.take(watch, NEW.model_copy(update={"step": 2, "progress": 2}))
    await settle()
    assert client.text.count("event:") == 1
    assert '"progress":2' in client.text


async def test_a_stream_cancelled_while_it_opens_leaves_nothing_behind(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def silent(_: str) -> None:
        await never.wait()

    monkeypatch.setattr(hub.subscription, "add", silent)
    opening = asyncio.create_task(hub.open("a", "job"))
    await settle()
    assert len(hub.watches) == 1
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not hub.watches
