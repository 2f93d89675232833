"""The API's way to Redis: few connections, short waits, and no waiting at all while it is down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import RedisError

from wherry_api.metrics import DEPENDENCY_UP, REDIS_FAILURES
from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")
CONNECTIONS: Final = 10
"""Connections of one process; one of them is the subscription, one the check of readiness."""
COMMANDS_AT_ONCE: Final = CONNECTIONS - 2
TIMEOUT_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 1.0
"""After a failure Redis is left alone for so long, and every call fails at once."""


class RedisUnavailableError(Exception):
    """Redis does not answer."""


class RedisGate:
    """Runs commands; one that fails closes the gate for a moment.

    Without the gate each request would wait for a dead Redis by itself, and a thousand of them
    would hold a thousand sockets.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._slots = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._closed_until = 0.0
        self._up = True

    @property
    def open(self) -> bool:
        """False while Redis is left alone after a failure."""
        return asyncio.get_running_loop().time() >= self._closed_until

    async def run(self, command: Callable[[Redis], Awaitable[T]]) -> T:
        """Run ``command``; raises RedisUnavailableError."""
        loop = asyncio.get_running_loop()
        self._check_open()
        # The wait for a slot is no part of the time: in a rush it says nothing about Redis.
        async with self._slots:
            self._check_open()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    result = await command(self.redis)
            except (RedisError, OSError, TimeoutError) as error:
                self._closed_until = loop.time() + PAUSE_SECONDS
                REDIS_FAILURES.inc()
                self._note(up=False, error=error)
                raise RedisUnavailableError(f"{type(error).__name__}: {error}") from error
        self._note(up=True)
        return result

    def _check_open(self) -> None:
        if not self.open:
            raise RedisUnavailableError("Redis did not answer a moment ago")

    def _note(self, *, up: bool, error: BaseException | None = None) -> None:
        if up == self._up:
            return
        self._up = up
        DEPENDENCY_UP.labels("redis").set(1 if up else 0)
        if up:
            log.info("Redis answers again")
        else:
            log.warning("Redis does not answer; jobs are read from Kubernetes: %s", error)
