import asyncio
from typing import Any

from wherry_api.stream.subscriber import Subscriber


class Client:
    """Receives events, unless it is stalled."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bool]] = []
        self.thawed = asyncio.Event()
        self.thawed.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.thawed.wait()
        self.sent.append((message["body"], message["more_body"]))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_slow_client_skips_progress_and_gets_the_end() -> None:
    client = Client()
    subscriber = Subscriber(client.send, ("a", "job"), (False, 1, 0))
    client.thawed.clear()
    for step in range(1, 9):
        subscriber.offer((False, 1, step), "progress", b"%d" % step)
        await settle()
    subscriber.offer((True, 1, 9), "completed", b"end")
    subscriber.offer((False, 1, 10), "progress", b"late")
    client.thawed.set()
    await settle()
    assert client.sent == [(b"1", True), (b"end", False)]
    assert subscriber.closed


async def test_older_events_are_not_sent() -> None:
    client = Client()
    subscriber = Subscriber(client.send, ("a", "job"), (False, 2, 5))
    for order in ((False, 2, 5), (False, 1, 9), (False, 2, 4)):
        subscriber.offer(order, "progress", b"old")
    subscriber.offer((False, 3, 0), "progress", b"new")
    await settle()
    assert client.sent == [(b"new", True)]


async def test_heartbeats_neither_wait_nor_accumulate() -> None:
    client = Client()
    subscriber = Subscriber(client.send, ("a", "job"), (False, 1, 0))
    client.thawed.clear()
    for _ in range(3):
        subscriber.beat()
        await settle()
    assert subscriber.sending_since is not None
    client.thawed.set()
    await settle()
    assert client.sent == [(b"event: heartbeat\ndata: {}\n\n", True)]
    assert subscriber.sending_since is None


async def test_the_farewell_does_not_replace_the_end() -> None:
    client = Client()
    subscriber = Subscriber(client.send, ("a", "job"), (False, 1, 0))
    client.thawed.clear()
    subscriber.beat()
    await settle()
    subscriber.offer((True, 1, 1), "failed", b"end")
    subscriber.send_farewell(1_500)
    client.thawed.set()
    await settle()
    assert client.sent[-1] == (b"end", False)

    other = Subscriber(client.send, ("a", "job"), (False, 1, 0))
    other.send_farewell(1_500)
    await settle()
    assert client.sent[-1] == (b": the server restarts, reconnect\nretry: 1500\n\n", False)


async def test_a_dropped_client_gets_nothing_more() -> None:
    client = Client()
    subscriber = Subscriber(client.send, ("a", "job"), (False, 1, 0))
    client.thawed.clear()
    subscriber.beat()
    await settle()
    subscriber.drop()
    client.thawed.set()
    subscriber.offer((True, 1, 1), "failed", b"end")
    await settle()
    assert client.sent == []
