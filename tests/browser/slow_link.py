"""A TCP relay with a limited rate for requests, which makes uploads to a store slow."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK = 32_768


class SlowLink:
    """The relay; ``bytes_per_second`` limits all connections together and may be changed."""

    def __init__(self, target: str, bytes_per_second: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.bytes_per_second = bytes_per_second
        self.url = ""
        self._lock = asyncio.Lock()

    async def serve(self, ready: threading.Event) -> None:
        """Relay until cancelled."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(
                self._copy(reader, upstream_writer, slow=True),
                self._copy(upstream_reader, writer),
            )
        except (OSError, asyncio.CancelledError):
            return
        finally:
            for each in (upstream_writer, writer):
                each.close()

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, slow: bool = False
    ) -> None:
        while data := await source.read(CHUNK):
            if slow:
                async with self._lock:
                    await asyncio.sleep(len(data) / self.bytes_per_second)
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()


@contextmanager
def slow_link(target: str, bytes_per_second: int) -> Iterator[SlowLink]:
    """Run a relay to ``target`` (an http URL) in a thread of its own."""
    link = SlowLink(target, bytes_per_second)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    task = loop.create_task(link.serve(ready))

    def run() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        left = asyncio.all_tasks(loop)
        for each in left:
            each.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the slow link did not start")
    try:
        yield link
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
