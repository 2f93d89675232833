"""The response of a stream, as plain ASGI.

The request's own task waits for the client to disconnect; the hub sends events through the
subscriber. So an idle stream has no further task, timer or queue.
"""

import asyncio
import random
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wherry_api.metrics import STREAM_EVENTS
from wherry_api.stream.events import event_id, event_of, render
from wherry_api.stream.hub import RETRY_MILLISECONDS, Hub, Watch
from wherry_api.stream.subscriber import Subscriber
from wherry_core.job_snapshot import JobSnapshot

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    # Without it, nginx and similar proxies buffer the stream.
    "x-accel-buffering": "no",
    # A client that reconnects after a drain must open a new connection, which the service routes to
    # a process that stays.
    "connection": "close",
    "referrer-policy": "no-referrer",
}


class StreamResponse(Response):
    """Sends the event ``connected``, then whatever the hub sends."""

    def __init__(
        self,
        hub: Hub,
        watch: Watch,
        snapshot: JobSnapshot,
        status: dict[str, Any],
        *,
        tenant: str,
        public_url: str | None,
    ) -> None:
        # Not the base class's, which would send a Content-Length of its empty body.
        self.status_code = 200
        self.background = None
        self.raw_headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        self._hub = hub
        self._watch = watch
        self._snapshot = snapshot
        self._tenant = tenant
        # Only the last event has the id that ends in "end": a client that loses the connection
        # before it receives that event reconnects for it.
        self._opening = render(
            "connected",
            status,
            None if snapshot.terminal else event_id(snapshot),
            retry=random.randint(*RETRY_MILLISECONDS),  # noqa: S311
        )
        self._last = event_of(snapshot, public_url) if snapshot.terminal else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client until it disconnects or the job ends."""
        subscriber = Subscriber(send, self._watch.key, self._snapshot.order)
        subscriber.task = asyncio.current_task()
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            ends = self._last is not None or self._hub.draining
            await send(
                {
                    "type": "http.response.body",
                    "body": self._opening + (self._last or b""),
                    "more_body": not ends,
                }
            )
            STREAM_EVENTS.labels("connected").inc()
            # An idle stream may live for hours and need not keep what was sent.
            self._opening, self._last = b"", None
            if ends:
                return
            self._hub.attach(self._watch, subscriber, self._snapshot)
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            # Cancelled by the hub because the client is stalled; any other cancel is passed on.
            if not subscriber.closed:
                raise
        except OSError:
            # Some servers raise it when a client disconnects during a send.
            subscriber.closed = True
        finally:
            self._hub.detach(self._watch, subscriber)
            self._hub.release(self._tenant)
            await self._hub.close(self._watch)
