"""Memory of many jobs in Redis, as reported by Redis.

Run it as ``python -m tests.bench.redis_memory [JOBS]``. The jobs are written as operator, runners
and API write them; the numbers are differences of ``used_memory``.
"""

import argparse
import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from localcluster.redisserver import start_redis
from tests.harness.fixtures import redis_environment
from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_queue, job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob
from wherry_core.settings import RedisSettings
from wherry_jobrunner.archive.store.head_cache import HeadCache
from wherry_jobrunner.archive.store.objects import ObjectHead

AT_ONCE: Final = 50
FILES: Final = 10_000
MEGABYTE: Final = 1_000_000
NOW: Final = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def jobs(count: int, phase: str) -> Iterator[JobSnapshot]:
    """Yield snapshots of jobs in ``phase``, of 20 tenants."""
    for number in range(count):
        name, uid, tenant = str(uuid.uuid4()), str(uuid.uuid4()), f"team-{number % 20}"
        status: dict[str, object] = {
            "phase": phase,
            "attempt": 1,
            "queuedTime": NOW,
            "startTime": NOW,
            "progress": 100 if phase == "Completed" else 37,
            "files": {"total": 1_000, "completed": 370},
            "bytes": {"total": 10**9, "completed": 37 * 10**7},
        }
        if phase == "Completed":
            status["completionTime"] = NOW
            status["archive"] = {
                "bucket": "our-archives",
                "key": f"archives/{tenant}/{uid}/1/files.zip",
                "name": "files.zip",
                "size": 10**9,
                "checksum": "CRC32:1234abcd",
            }
        body = {
            "metadata": {"name": name, "namespace": tenant, "uid": uid, "creationTimestamp": NOW},
            "spec": {"fileIDs": ["1"], "archiveName": "files.zip"},
            "status": status,
        }
        yield snapshot_of(DownloadJob.model_validate(body))


async def in_batches(
    found: Iterator[JobSnapshot], write: Callable[[JobSnapshot], Awaitable[None]]
) -> None:
    """Write all of them, many concurrently."""
    while batch := [each for _, each in zip(range(AT_ONCE), found, strict=False)]:
        await asyncio.gather(*(write(each) for each in batch))


async def measured(redis: Redis, fill: Callable[[], Awaitable[None]]) -> float:
    """Return the megabytes that ``fill`` adds to an empty Redis."""
    await redis.flushall()
    before = (await redis.info("memory"))["used_memory"]
    await fill()
    return float((await redis.info("memory"))["used_memory"] - before) / MEGABYTE


async def run(redis: Redis, count: int) -> None:
    """Measure and print each case."""

    async def wait(snapshot: JobSnapshot) -> None:
        await job_queue.enqueue(redis, "default", f"{snapshot.namespace}/{snapshot.name}", 0)
        await job_states.publish(redis, snapshot, 86_400)

    async def publish(snapshot: JobSnapshot) -> None:
        await job_states.publish(redis, snapshot, 86_400)

    async def keep_heads() -> None:
        head = ObjectHead(10**6, '"d41d8cd98f00b204e9800998ecf8427e"', 1_900_000_000, 12345, None)
        cache = HeadCache(redis, "https://s3.example.com", "team-1/job")
        await cache.write("our-files", {f"files/{number}": head for number in range(FILES)})

    for what, phase, write in (
        ("waiting", "Queued", wait),
        ("running", "Processing", publish),
        ("completed", "Completed", publish),
    ):
        megabytes = await measured(redis, partial(in_batches, jobs(count, phase), write))
        print(f"{count} {what} jobs: {megabytes:.1f} MB")
    print(
        f"heads of {FILES} objects, kept for 5 minutes: {await measured(redis, keep_heads):.1f} MB"
    )


async def main() -> None:
    """Start a Redis and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="?", type=int, default=10_000)
    count = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.to_thread(start_redis, Path(folder))
        try:
            settings = RedisSettings.model_validate(redis_environment(server))
            redis = redis_client.connect(settings)
            await run(redis, count)
            await redis.aclose()
        finally:
            await asyncio.to_thread(server.stop)


if __name__ == "__main__":
    asyncio.run(main())
