"""Heartbeats reach every stream once in each period, and stalled clients are disconnected."""

import asyncio
from typing import Any

from prometheus_client import REGISTRY

from tests.harness.waiting import eventually
from wherry_api.stream.events import HEARTBEAT
from wherry_api.stream.heartbeats import TICKS, Heartbeats
from wherry_api.stream.subscriber import Subscriber

PERIOD_SECONDS = 0.3


class Client:
    """Counts heartbeats; once it is stalled, no send completes."""

    def __init__(self) -> None:
        self.received = 0
        self.stalled = False
        self.subscriber = Subscriber(self.send, ("a", "job"), (False, 1, 0))

    async def send(self, message: dict[str, Any]) -> None:
        assert message["body"] == HEARTBEAT
        if self.stalled:
            await asyncio.Event().wait()
        self.received += 1


async def run(heartbeats: Heartbeats, seconds: float) -> None:
    task = asyncio.create_task(heartbeats.run())
    await asyncio.sleep(seconds)
    task.cancel()


async def test_every_stream_gets_one_heartbeat_in_a_period() -> None:
    heartbeats = Heartbeats(PERIOD_SECONDS, 60)
    clients = [Client() for _ in range(5)]
    for client in clients:
        heartbeats.add(client.subscriber)
    heartbeats.remove(clients[0].subscriber)
    task = asyncio.create_task(heartbeats.run())
    await eventually(
        "all heartbeats",
        lambda: all(client.received for client in clients[1:]),
        every=PERIOD_SECONDS / TICKS,
        within=5,
    )
    task.cancel()
    assert [client.received for client in clients] == [0, 1, 1, 1, 1]


async def test_a_stalled_client_is_disconnected_and_others_are_not() -> None:
    heartbeats = Heartbeats(PERIOD_SECONDS / 10, 0.05)
    stalled, other = Client(), Client()
    stalled.stalled = True
    for client in (stalled, other):
        heartbeats.add(client.subscriber)
    before = REGISTRY.get_sample_value("wherry_api_streams_dropped_total") or 0.0
    await run(heartbeats, 0.3)
    assert stalled.subscriber.closed
    assert not other.subscriber.closed
    assert REGISTRY.get_sample_value("wherry_api_streams_dropped_total") == before + 1
