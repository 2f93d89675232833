"""A client for the benchmark: many streams with little work per stream.

It runs in its own process and exchanges lines of JSON: commands on standard input, answers on
standard output.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import redis.asyncio as redis
import uvloop

from wherry_core.redis import keys

CONNECTS_AT_ONCE = 100
PUBLISHES_AT_ONCE = 50
SUBSCRIBE_SECONDS = 60
STEP = re.compile(rb"id: \d+-(\d+)")


class Stream(asyncio.Protocol):
    """One stream: counts its events, and records the delay of each progress event."""

    def __init__(self, bench: "Bench", name: str) -> None:
        self._bench = bench
        self._name = name
        self._rest = b""
        self.connected = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        request = f"GET /v1/download/stream/{self._name} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self.connected and not data.startswith(b"HTTP/1.1 200") and not self._rest:
            self.transport.abort()
            return
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            kind = block.find(b"event: ")
            if block.startswith(b"connected", kind + 7):
                self.connected = True
                self._bench.opened += 1
                self._bench.news.set()
            elif block.startswith(b"progress", kind + 7):
                found = STEP.search(block)
                step = int(found[1]) if found else 0
                sent = self._bench.sent.get((self._name, step))
                if sent is not None:
                    self._bench.delays.append(now - sent)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.connected:
            self._bench.lost += 1
        else:
            self._bench.failed += 1
            self._bench.news.set()


class Bench:
    """The streams of this process."""

    def __init__(self, port: int, redis_port: int) -> None:
        self._port = port
        self._redis = redis.Redis(port=redis_port)
        self._streams: list[Stream] = []
        self.news = asyncio.Event()
        self.opened = self.failed = self.lost = 0
        self.sent: dict[tuple[str, int], float] = {}
        self.delays: list[float] = []

    async def open(self, names: Sequence[str]) -> dict[str, Any]:
        """Open one stream per name and wait until all are connected."""
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        target = self.opened + self.failed
        for start in range(0, len(names), CONNECTS_AT_ONCE):
            batch = names[start : start + CONNECTS_AT_ONCE]
            target += len(batch)
            made = await asyncio.gather(
                *(
                    loop.create_connection(partial(Stream, self, name), "127.0.0.1", self._port)
                    for name in batch
                )
            )
            self._streams += [protocol for _, protocol in made]
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                while self.opened + self.failed < target:
                    self.news.clear()
                    await self.news.wait()
        return {"opened": self.opened, "failed": self.failed, "took": time.perf_counter() - began}

    async def publish(
        self, names: Sequence[str], templates: Sequence[str], rate: float, seconds: float
    ) -> dict[str, Any]:
        """Publish ``rate`` updates a second and job for ``seconds``, spread evenly."""
        loop = asyncio.get_running_loop()
        channels = [keys.job_updates(name) for name in names]
        began, step, count = loop.time(), 0, 0
        self.delays.clear()
        while loop.time() - began < seconds:
            step += 1
            for start in range(0, len(names), PUBLISHES_AT_ONCE):
                due = began + (step - 1 + start / len(names)) / rate
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                pipeline = self._redis.pipeline(transaction=False)
                now = time.perf_counter()
                for index in range(start, min(start + PUBLISHES_AT_ONCE, len(names))):
                    self.sent[names[index], step] = now
                    pipeline.publish(channels[index], templates[index] % step)
                    count += 1
                await pipeline.execute()
        took = loop.time() - began
        await asyncio.sleep(1.0)
        delays = sorted(self.delays)
        self.sent.clear()

        def quantile(q: float) -> float:
            return round(delays[min(int(q * len(delays)), len(delays) - 1)] * 1000, 2)

        return {
            "published": count,
            "delivered": len(delays),
            "per_second": round(count / took),
            "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99),
            "max_ms": quantile(1.0),
        }

    async def close(self) -> dict[str, Any]:
        """Close all streams; ``lost`` are those that the server had closed before."""
        lost = self.lost
        for stream in self._streams:
            stream.transport.abort()
        self._streams.clear()
        return {"lost": lost}


async def serve() -> None:
    bench = Bench(int(sys.argv[1]), int(sys.argv[2]))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, arguments = json.loads(line)
        answer = await getattr(bench, command)(*arguments)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
