"""A TCP proxy that forwards every byte after a fixed delay, in both directions.

    python -m tests.bench.archive.delay_proxy <host> <port> <target host> <target port> <ms> <rate>

It simulates latency where the kernel has no ``netem``: half of the round trip in each direction.
The delay does not limit the throughput. ``rate`` is the limit of one connection, in bytes per
second and direction; 0 for no limit.
"""

import asyncio
import contextlib
import signal
import sys
from typing import Final

import uvloop

CHUNK: Final = 1 << 18
CHUNKS_UNDER_WAY: Final = 16
"""Limit per direction of one connection; reading pauses at the limit."""


async def hand_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, rate: float
) -> None:
    """Copy from ``reader`` to ``writer``, each chunk ``seconds`` after it arrived."""
    loop = asyncio.get_running_loop()
    free = 0.0
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_UNDER_WAY)

    async def take_in() -> None:
        chunk = b" "
        while chunk:
            chunk = await reader.read(CHUNK)
            await under_way.put((loop.time() + seconds, chunk))

    taking_in = asyncio.create_task(take_in())
    try:
        while True:
            due, chunk = await under_way.get()
            # A chunk waits until the previous one has been sent at ``rate``.
            due = max(due, free)
            free = due + len(chunk) / rate if rate else due
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
    finally:
        taking_in.cancel()
        await asyncio.gather(taking_in, return_exceptions=True)


async def serve(host: str, port: int, target: tuple[str, int], seconds: float, rate: float) -> None:
    """Proxy until the process receives SIGTERM or SIGINT."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # When one side or the proxy ends, close the other side.
        ends = (OSError, RuntimeError, asyncio.CancelledError)
        with contextlib.suppress(*ends), contextlib.closing(writer):
            back, forth = await asyncio.open_connection(*target, limit=CHUNK)
            with contextlib.closing(forth):
                pairs = [(reader, forth), (back, writer)]
                tasks = [asyncio.create_task(hand_on(*pair, seconds, rate)) for pair in pairs]
                try:
                    # The store closes connections without keep-alive; close the client's side then.
                    await tasks[1]
                    await writer.drain()
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

    server = await asyncio.start_server(connected, host, port, limit=CHUNK, backlog=1024)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    where, target_at, (delay, most) = sys.argv[1:3], sys.argv[3:5], map(float, sys.argv[5:7])
    uvloop.run(
        serve(where[0], int(where[1]), (target_at[0], int(target_at[1])), delay / 1000, most)
    )
