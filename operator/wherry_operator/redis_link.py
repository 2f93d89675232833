"""The operator's way to Redis: while it does not answer, nothing is sent."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import RedisError

from wherry_core.redis.client import Redis
from wherry_operator import fault_points, metrics

logger = logging.getLogger(__name__)

AWAY: Final = (RedisError, OSError, TimeoutError)
"""What a command raises that Redis did not answer."""

Value = TypeVar("Value")


class RedisLink:
    """Knows whether Redis answers. Whoever finds it back says so by setting ``up``."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.up = False
        self._told = False
        self.lost = asyncio.Event()
        """Set as Redis stops to answer."""

    async def send(self, name: str, command: Callable[[Redis], Awaitable[Value]]) -> Value:
        """Send a command, with fault points named by ``name``. Raises one of ``AWAY``."""
        fault_points.reach(f"before-redis-{name}")
        answer = await command(self.redis)
        fault_points.reach(f"after-redis-{name}")
        return answer

    async def attempt(
        self, name: str, command: Callable[[Redis], Awaitable[Value]]
    ) -> Value | None:
        """Send a command unless Redis is away; None when no answer came."""
        if not self.up:
            return None
        try:
            return await self.send(name, command)
        except AWAY as error:
            self.went_down(error)
            return None

    def went_down(self, error: Exception) -> None:
        """Note that Redis did not answer; told once for each loss, and for a bad start."""
        if self.up or not self._told:
            # Timeouts have no words of their own.
            why = str(error) or type(error).__name__
            logger.warning("Redis does not answer, going on without it: %s", why)
            metrics.FAULTS.labels(kind="redis").inc()
        self.up = False
        self._told = True
        self.lost.set()
