"""One client of a stream, with a slot for its next event."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from wherry_api.metrics import STREAM_EVENTS
from wherry_api.services.snapshots import JobKey
from wherry_api.stream.events import HEARTBEAT

Send = Callable[[dict[str, Any]], Awaitable[None]]
FAREWELL: Final = b": the server restarts, reconnect\nretry: %d\n\n"

Order = tuple[bool, int, int]


class Subscriber:
    """A client that watches a job.

    The slot holds the newest event that was not sent yet: a slow client misses progress, but never
    the last event, because no other replaces it. There is no task and no timer while nothing is to
    be sent, so an idle stream costs only its connection and this object.
    """

    __slots__ = (
        "_busy",
        "_event",
        "_heartbeat",
        "_name",
        "_send",
        "closed",
        "job",
        "order",
        "sending_since",
        "task",
        "tick",
    )

    def __init__(self, send: Send, job: JobKey, order: Order) -> None:
        self._send = send
        self.job = job
        self.order = order
        """Order of the newest snapshot that was sent or is in the slot."""
        self.closed = False
        """True once nothing more may be sent."""
        self.sending_since: float | None = None
        """Loop time at which the send in progress began; None when there is none."""
        self.task: asyncio.Task[Any] | None = None
        """The task that waits for the client to disconnect."""
        self.tick = 0
        """Tick on which heartbeats are sent."""
        self._event: bytes | None = None
        self._name = ""
        self._heartbeat = False
        self._busy: asyncio.Task[None] | None = None

    def offer(self, order: Order, name: str, event: bytes) -> None:
        """Put an event into the slot, unless a newer one was sent or is there."""
        if self.closed or order <= self.order:
            return
        self.order = order
        self._event, self._name = event, name
        self._wake()

    def beat(self) -> None:
        """Send a heartbeat, unless a send is in progress."""
        if self.closed or self._busy is not None:
            return
        self._heartbeat = True
        self._wake()

    def send_farewell(self, retry_milliseconds: int) -> None:
        """End the stream, and have the client reconnect after ``retry_milliseconds``."""
        if self.closed or self.order[0]:
            return
        self.order = (True, 0, 0)
        self._event, self._name = FAREWELL % retry_milliseconds, "farewell"
        self._wake()

    def drop(self) -> None:
        """Disconnect a stalled client: cancel its send and its task."""
        self.closed = True
        if self._busy is not None:
            self._busy.cancel()
        if self.task is not None:
            self.task.cancel()

    def _wake(self) -> None:
        if self._busy is None:
            loop = asyncio.get_running_loop()
            self._busy = loop.create_task(self._deliver(loop))

    async def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while not self.closed and (self._event is not None or self._heartbeat):
                if self._event is not None:
                    body, name, last = self._event, self._name, self.order[0]
                    self._event = None
                else:
                    body, name, last = HEARTBEAT, "heartbeat", False
                self._heartbeat = False
                self.closed = last
                self.sending_since = loop.time()
                await self._send(
                    {"type": "http.response.body", "body": body, "more_body": not last}
                )
                STREAM_EVENTS.labels(name).inc()
        except OSError:
            # The client disconnected during the send; its own task ends the stream.
            self.closed = True
        finally:
            self.sending_since = None
            self._busy = None
