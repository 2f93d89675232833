"""A TCP proxy that injects the faults of networks and other proxies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CHUNK = 16_384


@dataclass
class FaultProxy:
    """Forwards bytes to ``target``; its fields may be changed at any time."""

    target: tuple[str, int]
    cut_after: list[int] = field(default_factory=list)
    """Bytes of an answer after which its connection is cut, one entry for each answer; an answer
    that is shorter leaves the entry for the next one."""
    hold_before_cut: float = 0.0
    """Seconds that a connection hangs before it is cut."""
    buffers: str | None = None
    """Answers to requests whose head contains this text are held until they end."""
    refuses: bool = False
    """New connections are closed at once."""
    refuses_after_cut: bool = False
    """With the next cut, ``refuses`` becomes true."""
    heads: list[str] = field(default_factory=list)
    """The heads of all requests."""
    port: int = 0

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return f"http://127.0.0.1:{self.port}"

    def count(self, text: str) -> int:
        """Return how many requests had ``text`` in their first line."""
        return sum(text in head.partition("\r\n")[0] for head in self.heads)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self.refuses:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(*self.target)
        connection = _Connection(self)
        up = asyncio.create_task(connection.pass_requests(reader, upstream_writer))
        down = asyncio.create_task(connection.pass_answers(upstream_reader, writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            writer.transport.abort() if connection.cut else writer.close()
            upstream_writer.close()


class _Connection:
    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._answered = 0
        self._held = False
        self.cut = False

    async def pass_requests(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if b" HTTP/1.1\r\n" in data:
                head = data.partition(b"\r\n\r\n")[0].decode(errors="replace")
                self._proxy.heads.append(head)
                self._answered = 0
                self._held = self._proxy.buffers is not None and self._proxy.buffers in head
            upstream.write(data)
            await upstream.drain()

    async def pass_answers(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        kept = b""
        while data := await upstream.read(CHUNK):
            if self._held:
                kept += data
                continue
            self._answered += len(data)
            if self._proxy.cut_after and self._answered >= self._proxy.cut_after[0]:
                self._proxy.cut_after.pop(0)
                self.cut = True
                self._proxy.refuses |= self._proxy.refuses_after_cut
                await asyncio.sleep(self._proxy.hold_before_cut)
                return
            writer.write(data)
            await writer.drain()
        writer.write(kept)
        await writer.drain()


@asynccontextmanager
async def fault_proxy(target_port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy for a port of this machine while the context is open."""
    proxy = FaultProxy(("127.0.0.1", target_port))
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await proxy.serve(reader, writer)
        connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
