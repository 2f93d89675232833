"""Redis as something that may be away: noticed once, counted, and never the end of the runner."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.exceptions import RedisError

from wherry_core.redis.client import Redis
from wherry_jobrunner import metrics

log = logging.getLogger(__name__)

Value = TypeVar("Value")

ABSENCE: Final = (RedisError, OSError, TimeoutError)


class RedisAwayError(Exception):
    """Redis did not do what it was asked to; it may have."""


class RedisLink:
    """The connection to Redis, and whether it answered last."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.answering = True

    async def ask(self, work: Awaitable[Value], within_seconds: float | None = None) -> Value:
        """Return what ``work``, a call with this link's client, brings. Raises RedisAwayError.

        Without ``within_seconds`` the client's own timeouts hold, half a minute in all.
        """
        try:
            async with asyncio.timeout(within_seconds):
                value = await work
        except ABSENCE as error:
            if self.answering:
                self.answering = False
                metrics.REDIS_LOST.inc()
                log.warning("Redis does not answer, claimed jobs go on without it: %s", error)
            raise RedisAwayError(str(error)) from error
        if not self.answering:
            self.answering = True
            log.info("Redis answers again")
        return value
