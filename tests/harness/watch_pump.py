"""Forwards the events of a watch, and injects faults into it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiohttp import web

Swallow = Callable[[str, dict[str, Any]], bool]

_GONE: Final = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "too old resource version (injected by the test)",
        "reason": "Expired",
        "code": 410,
    },
}
EXPIRED: Final = json.dumps(_GONE).encode() + b"\n"


@dataclass(eq=False)
class Watch:
    """One open watch."""

    path: str
    silent: bool = False
    """True: events are dropped."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    last: bytes = b""
    """The last bytes that the client gets; empty: the connection is reset."""

    def end(self, last: bytes) -> None:
        """End the watch with ``last``, or with a reset."""
        self.last = last
        self.ended.set()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        rest += chunk
        whole, newline, rest = rest.rpartition(b"\n")
        if newline:
            for line in whole.split(b"\n"):
                yield line + b"\n"


async def pump(
    content: aiohttp.StreamReader,
    request: web.Request,
    passed: web.StreamResponse,
    watches: set[Watch],
    swallow: Callable[[], Swallow | None],
) -> None:
    """Forward the lines of ``content`` until one side, or a test, ends the watch."""
    watch = Watch(request.path_qs)
    watches.add(watch)
    forwarding = asyncio.ensure_future(_forward(content, passed, watch, swallow))
    ending = asyncio.ensure_future(watch.ended.wait())
    try:
        await asyncio.wait({forwarding, ending}, return_when=asyncio.FIRST_COMPLETED)
        if watch.ended.is_set():
            if watch.last:
                await passed.write(watch.last)
                await passed.write_eof()
            elif request.transport is not None:
                request.transport.abort()
        elif forwarding.exception() is None:
            await passed.write_eof()
        elif request.transport is not None:
            request.transport.abort()
    finally:
        watches.discard(watch)
        for task in (forwarding, ending):
            task.cancel()
        await asyncio.gather(forwarding, ending, return_exceptions=True)


async def _forward(
    content: aiohttp.StreamReader,
    passed: web.StreamResponse,
    watch: Watch,
    swallow: Callable[[], Swallow | None],
) -> None:
    async for line in _lines(content):
        if watch.silent:
            continue
        takes = swallow()
        if takes is not None:
            event = json.loads(line)
            if takes(event["type"], event["object"]):
                continue
        await passed.write(line)
