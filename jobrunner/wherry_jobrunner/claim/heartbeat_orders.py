"""The heartbeat: reports in Redis that the runner is alive, and receives the operator's orders.

While no operator is alive, or Redis is unavailable, no order comes. The runner then reads its
claimed jobs from the API server itself, so that a cancellation or a deletion still reaches it
within seconds. The operator's mark decides, whose remaining lifetime every heartbeat returns: while
it lives, the API server sees no request for this.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final, Protocol

from wherry_core.redis import runner_registry
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.redis.runner_registry import HEARTBEAT_SECONDS, Orders, RunnerId

log = logging.getLogger(__name__)

FROZEN_SECONDS: Final = 10.0
"""A gap between two heartbeats after which the process was frozen, and others may have its jobs."""
CHECK_SECONDS: Final = 3.0
"""Pause between two readings of the claimed jobs while no operator gives orders."""
TICK_SECONDS: Final = 0.25


class Worker(Protocol):
    """What carries out the orders."""

    def jobs(self) -> list[str]:
        """Return the jobs (``namespace/name``) that the runner has begun."""

    def check(self, jobs: Iterable[str]) -> None:
        """Have the claims of ``jobs`` compared with the resources."""

    def leave(self, why: str) -> None:
        """Take no more jobs and end when the claimed ones have ended."""

    def dismiss(self) -> None:
        """Stop all jobs at once, without writing to them, and end."""


def must_check(now: float, relied_until: float, checked_at: float) -> bool:
    """Return whether the runner must read its claimed jobs itself (all monotonic seconds).

    ``relied_until`` is when the operator's mark expires, as far as is known.
    """
    return now >= relied_until and now >= checked_at + CHECK_SECONDS


class Heartbeat:
    """Sends heartbeats, and checks the claims while no operator does; both until cancelled."""

    def __init__(
        self, link: RedisLink, pool: str, runner: RunnerId, worker: Worker, lock: asyncio.Lock
    ) -> None:
        """``lock`` is held while Redis learns the jobs of the runner: a job that begins meanwhile
        would be missing from the list for one heartbeat."""
        self.sent_at = time.monotonic()
        """Monotonic time of the newest heartbeat; the process hangs when it is long ago."""
        self._link = link
        self._pool = pool
        self._runner = runner
        self._worker = worker
        self._lock = lock
        self._relied_until = time.monotonic() + runner_registry.OPERATOR_MARK_SECONDS
        self._checked_at = float("-inf")

    async def run(self) -> None:
        """Send a heartbeat every two seconds. Raises only CancelledError."""
        while True:
            now = time.monotonic()
            gap, self.sent_at = now - self.sent_at, now
            if gap > FROZEN_SECONDS:
                self._check(now)
            orders = await self._send()
            if orders is not None:
                self._follow(orders, now)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def watch_operator(self) -> None:
        """Check the claims every three seconds while no operator is alive."""
        while True:
            now = time.monotonic()
            if must_check(now, self._relied_until, self._checked_at):
                self._check(now)
            await asyncio.sleep(TICK_SECONDS)

    def _check(self, now: float) -> None:
        self._checked_at = now
        self._worker.check(self._worker.jobs())

    def _follow(self, orders: Orders, sent_at: float) -> None:
        # Counted from before the request, whose answer may have taken long.
        self._relied_until = sent_at + orders.operator_seconds
        if orders.dismissed:
            self._worker.dismiss()
            return
        self._worker.check(orders.stop)
        if orders.drain:
            self._worker.leave("the operator asks for it")

    async def _send(self) -> Orders | None:
        async with self._lock:
            jobs = self._worker.jobs()
            try:
                return await self._link.send(
                    lambda redis: runner_registry.heartbeat(redis, self._pool, self._runner, jobs)
                )
            except RedisUnavailableError:
                return None
