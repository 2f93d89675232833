"""A proxy in front of a store that injects faults into chosen requests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from localcluster import ports

Fault = Callable[[web.Request, "FaultyProxy"], Awaitable[web.StreamResponse | None]]


@dataclass
class FaultyProxy:
    """Forwards every request unless ``fault`` answers it."""

    target: str
    address: str
    session: aiohttp.ClientSession
    fault: Fault | None = None
    seen: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.raw_path}")
        if self.fault is not None:
            answer = await self.fault(request, self)
            if answer is not None:
                return answer
        status, headers, body = await self.forward(request)
        if request.method == "HEAD":
            headers["Content-Length"] = headers.get("Content-Length", "0")
        return web.Response(status=status, headers=headers, body=body)

    async def forward(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        """Return what the store answers."""
        body = await request.read()
        headers = {
            name: value for name, value in request.headers.items() if name != "Transfer-Encoding"
        }
        async with self.session.request(
            request.method,
            URL(self.target + request.raw_path, encoded=True),
            headers=headers,
            data=body or None,
            allow_redirects=False,
        ) as answer:
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name not in {"Transfer-Encoding", "Connection", "Keep-Alive"}
            }
            if request.method != "HEAD":
                kept.pop("Content-Length", None)
            return answer.status, kept, await answer.read()

    def count(self, method: str, text: str = "") -> int:
        return sum(line.startswith(method + " ") and text in line for line in self.seen)


@asynccontextmanager
async def faulty_proxy(target: str) -> AsyncIterator[FaultyProxy]:
    """Yield a running proxy in front of ``target``."""
    port = ports.free_port()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        proxy = FaultyProxy(target, f"http://127.0.0.1:{port}", session)
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield proxy
        finally:
            await runner.cleanup()


def times(count: int, fault: Fault) -> Fault:
    """Return ``fault`` for the first ``count`` ranged or whole GETs of objects or part PUTs."""
    left = count

    async def limited(request: web.Request, proxy: FaultyProxy) -> web.StreamResponse | None:
        nonlocal left
        if left <= 0:
            return None
        answer = await fault(request, proxy)
        if answer is not None:
            left -= 1
        return answer

    return limited


def is_source_read(request: web.Request) -> bool:
    return request.method == "GET" and "/files/" in request.path


def is_part_upload(request: web.Request) -> bool:
    return (
        request.method == "PUT"
        and "partNumber" in request.query
        and "x-amz-copy-source" not in request.headers
    )


async def slow_down(request: web.Request, proxy: FaultyProxy) -> web.StreamResponse | None:
    if is_source_read(request) or is_part_upload(request):
        return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
    return None


async def cut_in_the_middle(request: web.Request, proxy: FaultyProxy) -> web.StreamResponse | None:
    """Announce the whole body, send half of it, and drop the connection."""
    if not is_source_read(request):
        return None
    status, headers, body = await proxy.forward(request)
    if status not in {200, 206} or len(body) < 2:
        return None
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.abort()
    return response


async def truncated_body(request: web.Request, proxy: FaultyProxy) -> web.StreamResponse | None:
    """Send a body that is complete by its own length, but shorter than the range."""
    if not is_source_read(request):
        return None
    status, headers, body = await proxy.forward(request)
    return web.Response(status=status, headers=headers, body=body[: len(body) // 2])


async def wrong_bytes(request: web.Request, proxy: FaultyProxy) -> web.StreamResponse | None:
    """Damage a part on its way into the store: the CRC that was sent with it no longer holds."""
    if not is_part_upload(request):
        return None
    body = bytearray(await request.read())
    body[len(body) // 2] ^= 1
    async with proxy.session.put(
        URL(proxy.target + request.raw_path, encoded=True),
        headers=dict(request.headers),
        data=bytes(body),
    ) as answer:
        return web.Response(status=answer.status, headers={}, body=await answer.read())


def is_large_part(request: web.Request) -> bool:
    """True for parts that are not put together in memory first."""
    return is_part_upload(request) and (request.content_length or 0) > 16 << 20
