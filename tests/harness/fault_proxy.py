"""A proxy before the API server that injects faults: errors, resets, lost answers, stalls.

Open watches can be reset, silenced, ended with 410 Gone, or deprived of an event.

Clients speak plain HTTP to it (``Cluster.token_kubeconfig(..., server=proxy.url)``). It forwards
their own Authorization header over TLS, so that each client keeps its own permissions.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Final

import aiohttp
from aiohttp import web

from tests.harness.cluster import Cluster
from tests.harness.watch_pump import EXPIRED, Swallow, Watch, pump

FORWARDED: Final = ("Authorization", "Content-Type", "Accept", "User-Agent")
REASONS: Final = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 503: "Unavailable"}


class Fault(StrEnum):
    """What happens to a request."""

    ANSWER = "answer"
    """It gets the status code of the rule, and never reaches the API server."""
    RESET = "reset"
    """Its connection is reset before it reaches the API server."""
    LOSE_ANSWER = "lose_answer"
    """The API server executes it; its connection is reset before the answer."""
    STALL = "stall"
    """It is never answered, as by a network that drops packets."""


@dataclass
class Rule:
    """Which requests a fault hits, and how often."""

    matches: Callable[[str, str], bool]
    """Given the method and the path with its query."""
    fault: Fault
    times: int = 1
    status: int = 503
    """For ANSWER."""
    retry_after_seconds: int | None = None
    """For ANSWER: the Retry-After header."""


def on(method: str, part: str) -> Callable[[str, str], bool]:
    """Match a method and a part of the path."""
    return lambda seen_method, path: seen_method == method and part in path


@dataclass
class FaultProxy:
    """A running proxy; add to ``rules`` at any time, the first one that matches counts."""

    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path, and the fault or "passed", in the order of their arrival."""
    watches: set[Watch] = field(default_factory=set)
    """The watches that are open."""
    swallow: Swallow | None = None
    """Called with the type of a watch event and its object; True: the event is dropped."""
    clock_offset_seconds: float = 0.0
    """Seconds by which the Date headers are ahead, as from an API server with another clock."""
    disconnected: bool = False
    """True: no request is answered, and the open watches are silent."""

    def disconnect(self) -> None:
        """Drop everything from now on, as a broken network does, until :meth:`reconnect`."""
        self.disconnected = True
        self.silence_watches()

    def reconnect(self) -> None:
        """Forward requests again, and reset the watches that fell silent."""
        self.disconnected = False
        self._end_watches(b"", lambda watch: watch.silent)

    def reset_watches(self) -> None:
        """Break the connection of every open watch."""
        self._end_watches(b"", lambda _: True)

    def expire_watches(self) -> None:
        """End every open watch with the event 410 Gone, as after a compaction of etcd."""
        self._end_watches(EXPIRED, lambda _: True)

    def silence_watches(self) -> None:
        """Keep every open watch open, but forward nothing more on it."""
        for watch in self.watches:
            watch.silent = True

    def _end_watches(self, last: bytes, chosen: Callable[[Watch], bool]) -> None:
        for watch in list(self.watches):
            if chosen(watch):
                watch.end(last)

    def count(self, method: str, part: str) -> int:
        """Return how many requests of a method had ``part`` in their path."""
        return sum(seen == method and part in path for seen, path, _ in self.requests)

    def _rule_for(self, method: str, path: str) -> Rule | None:
        for rule in self.rules:
            if rule.times > 0 and rule.matches(method, path):
                rule.times -= 1
                return rule
        return None


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _refusal(rule: Rule) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": "injected by the test",
        "reason": REASONS.get(rule.status, "InternalError"),
        "code": rule.status,
    }
    after = rule.retry_after_seconds
    headers = {} if after is None else {"Retry-After": str(after)}
    return web.Response(
        status=rule.status,
        text=json.dumps(body),
        headers=headers,
        content_type="application/json",
    )


async def _handle(
    request: web.Request,
    proxy: FaultProxy,
    session: aiohttp.ClientSession,
    cluster: Cluster,
    tls: ssl.SSLContext,
) -> web.StreamResponse:
    rule = proxy._rule_for(request.method, request.path_qs)
    proxy.requests.append((request.method, request.path_qs, rule.fault if rule else "passed"))
    # An empty body would get a Content-Type, which discovery answers with 415.
    body = await request.read() or None
    if proxy.disconnected:
        await asyncio.Event().wait()
    if rule is not None and rule.fault is not Fault.LOSE_ANSWER:
        if rule.fault is Fault.ANSWER:
            return _refusal(rule)
        if rule.fault is Fault.STALL:
            await asyncio.Event().wait()
        _reset(request)
        return web.Response()
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    try:
        async with session.request(
            request.method,
            cluster.url + request.raw_path,
            # An empty body gets a Content-Type, which the API server's discovery refuses.
            data=body or None,
            headers=headers,
            ssl=tls,
        ) as answer:
            if rule is not None:
                await answer.read()
                _reset(request)
                return web.Response()
            return await _forward(request, answer, proxy)
    except (aiohttp.ClientError, OSError):
        # One side closed its connection: reset the other, as it would be without a proxy.
        _reset(request)
        return web.Response()


async def _forward(
    request: web.Request, answer: aiohttp.ClientResponse, proxy: FaultProxy
) -> web.StreamResponse:
    passed = web.StreamResponse(status=answer.status)
    for name in ("Content-Type", "Retry-After"):
        if name in answer.headers:
            passed.headers[name] = answer.headers[name]
    if proxy.clock_offset_seconds:
        date = datetime.now(UTC) + timedelta(seconds=proxy.clock_offset_seconds)
        passed.headers["Date"] = format_datetime(date, usegmt=True)
    await passed.prepare(request)
    if request.query.get("watch") in {"true", "1"} and answer.status == 200:
        await pump(answer.content, request, passed, proxy.watches, lambda: proxy.swallow)
        return passed
    async for chunk in answer.content.iter_any():
        await passed.write(chunk)
    await passed.write_eof()
    return passed


@asynccontextmanager
async def fault_proxy(cluster: Cluster) -> AsyncIterator[FaultProxy]:
    """Run a fault proxy before the API server of ``cluster`` while the context is open."""
    proxy = FaultProxy()
    tls = ssl.create_default_context(cadata=cluster.ca.decode())
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=True) as session:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await _handle(request, proxy, session, cluster, tls)

        application = web.Application(client_max_size=16 << 20)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        proxy.url = f"http://127.0.0.1:{port}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
