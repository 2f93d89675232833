"""The heartbeat: saying in Redis that the runner lives, and hearing what it is asked to do."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from wherry_core.redis import runner_registry
from wherry_core.redis.runner_registry import HEARTBEAT_SECONDS, Orders
from wherry_jobrunner.redis_link import RedisAwayError, RedisLink
from wherry_jobrunner.settings import RunnerSettings

log = logging.getLogger(__name__)

FROZEN_SECONDS: Final = 10.0
"""A gap between two beats from which on others may have taken our jobs: the process was frozen."""
DEAF_SECONDS: Final = 10.0
"""Time without an answer from Redis after which orders are looked for in the jobs themselves."""


def must_check_all(gap_seconds: float, deaf_seconds: float) -> bool:
    """Whether every claim is to be checked with the API server.

    ``gap_seconds`` lie between two beats; Redis has not answered for ``deaf_seconds``.
    """
    return gap_seconds > FROZEN_SECONDS or deaf_seconds > DEAF_SECONDS


class Heartbeat:
    """Beats until cancelled."""

    def __init__(
        self,
        link: RedisLink,
        settings: RunnerSettings,
        *,
        jobs: Callable[[], Iterable[str]],
        check: Callable[[Iterable[str]], None],
        drain: Callable[[], None],
    ) -> None:
        self.beaten_at = time.monotonic()
        """Monotonic time of the newest beat: the process is stuck when it is long ago."""
        self.lock = asyncio.Lock()
        """Held while Redis learns which jobs the runner works on: a job that begins meanwhile
        would be missing from the list for one beat."""
        self._link = link
        self._settings = settings
        self._jobs = jobs
        self._check = check
        self._drain = drain

    async def run(self) -> None:
        """Beat every two seconds. It raises nothing but cancellation."""
        heard_at = time.monotonic()
        while True:
            now = time.monotonic()
            gap, self.beaten_at = now - self.beaten_at, now
            orders = await self._beat()
            now = time.monotonic()
            if must_check_all(gap, now - heard_at):
                self._check(self._jobs())
                heard_at = now
            if orders is not None:
                heard_at = now
                self._check(orders.stop)
                if orders.drain:
                    self._drain()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _beat(self) -> Orders | None:
        name, pool = self._settings.name, self._settings.pool
        async with self.lock:
            try:
                return await self._link.ask(
                    runner_registry.heartbeat(self._link.redis, pool, name, list(self._jobs()))
                )
            except RedisAwayError:
                return None
