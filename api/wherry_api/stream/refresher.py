"""Reads watched jobs where updates may be missing: after a reconnect, periodically, without Redis.

A reconnect, a failover or a flush of Redis can lose an update, and without Redis there are none.
Then the resources are read, at a bounded rate, least recently read first.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from wherry_api.http.problems import ProblemError
from wherry_api.metrics import FALLBACK_READS
from wherry_api.services.job_resources import JobResources
from wherry_api.services.snapshots import Snapshots, may_be_stale
from wherry_api.stream.hub import Hub, Watch
from wherry_core.job_snapshot import JobSnapshot, deleted, snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.link import RedisLink, RedisUnavailableError

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 30.0
"""Pause between two reads of a watched job while Redis is available."""
FALLBACK_SECONDS: Final = 2.0
"""Shortest pause between two reads of a job's resource without Redis."""
BATCH: Final = 200
READS_AT_ONCE: Final = 8


class Refresher:
    """Keeps the hub's snapshots current where updates may be missing."""

    def __init__(
        self,
        hub: Hub,
        link: RedisLink,
        jobs: JobResources,
        snapshots: Snapshots,
        reads_per_second: float,
    ) -> None:
        self._hub = hub
        self._link = link
        self._jobs = jobs
        self._snapshots = snapshots
        self._rate = reads_per_second
        self._allowance = 0.0

    async def run(self) -> None:
        """Refresh until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time() + TICK_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._hub.unread_added.wait()
            except TimeoutError:
                due = loop.time() + TICK_SECONDS
                self._allowance = min(
                    self._allowance + self._rate * TICK_SECONDS, max(self._rate, 1.0)
                )
                await self._check(loop.time())
            else:
                await self._read_unread(loop.time())

    async def _read_unread(self, now: float) -> None:
        self._hub.unread_added.clear()
        while self._hub.unread:
            count = min(BATCH, len(self._hub.unread))
            batch = [self._hub.unread.popleft() for _ in range(count)]
            await self._read([w for key in batch if (w := self._hub.watches.get(key))], now)

    async def _check(self, now: float) -> None:
        pause = CHECK_SECONDS if self._hub.subscription.connected else FALLBACK_SECONDS
        old: list[Watch] = []
        for watch in self._hub.watches.values():
            if now - watch.checked_at < pause or len(old) >= BATCH * 5:
                break
            old.append(watch)
        if not self._hub.subscription.connected:
            await self._read_resources(old, now)
            return
        for start in range(0, len(old), BATCH):
            await self._read(old[start : start + BATCH], now)

    async def _read(self, watches: Sequence[Watch], now: float) -> None:
        """Read jobs from Redis, and from their resources where Redis may be behind."""
        if not watches:
            return
        keys = [watch.key for watch in watches]
        snapshots: Sequence[JobSnapshot | None]
        try:
            snapshots = await self._link.send(lambda redis: job_states.read_many(redis, keys))
        except (RedisUnavailableError, ValidationError):
            snapshots = [None] * len(keys)
        behind = []
        for watch, snapshot in zip(watches, snapshots, strict=True):
            if snapshot is not None:
                self._hub.take(watch, snapshot)
            unchanged = None if watch.snapshot is None else now - watch.changed_at
            if snapshot is None or may_be_stale(
                snapshot, unchanged_seconds=unchanged, now=datetime.now(UTC)
            ):
                behind.append(watch)
            else:
                self._mark(watch, now)
        await self._read_resources(behind, now)

    async def _read_resources(self, watches: Sequence[Watch], now: float) -> None:
        count = min(len(watches), int(self._allowance))
        self._allowance -= count
        for start in range(0, count, READS_AT_ONCE):
            batch = watches[start : min(start + READS_AT_ONCE, count)]
            async with asyncio.TaskGroup() as tasks:
                for watch in batch:
                    tasks.create_task(self._read_resource(watch, now))

    async def _read_resource(self, watch: Watch, now: float) -> None:
        FALLBACK_READS.inc()
        self._mark(watch, now)
        try:
            job = await self._jobs.get(*watch.key)
        except ProblemError:
            return
        except ValidationError:
            log.exception("a job cannot be read", extra={"job": "/".join(watch.key)})
            return
        if job is not None:
            self._hub.take(watch, snapshot_of(job))
        elif watch.snapshot is not None:
            last = watch.snapshot
            self._hub.take(watch, deleted(last))
            with suppress(RedisUnavailableError):
                await self._snapshots.delete_state(last)

    def _mark(self, watch: Watch, now: float) -> None:
        watch.checked_at = now
        if watch.key in self._hub.watches:
            self._hub.watches.move_to_end(watch.key)
