"""The link of one program to Redis: whether it answers, and what happens while it does not.

Redis is an index that can be rebuilt, so a failed command is an expected answer here. Every
program reaches Redis through one link and handles one error, :class:`RedisUnavailableError`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from redis.exceptions import RedisError

from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What a command raises when Redis did not answer it, or answered with an error."""


class RedisUnavailableError(Exception):
    """Raised when Redis did not answer a command. The command may have run nevertheless."""


@dataclass(frozen=True)
class LinkPolicy:
    """How patient a program is with Redis."""

    patience_seconds: float | None = None
    """Longest wait for one command; None: the client's own timeouts, about 30 s in all."""
    pause_seconds: float = 0.0
    """After a failure, every command fails at once for this time and none is sent."""
    commands_at_once: int | None = None
    """Commands in progress at the same time; further ones wait. None: no limit."""
    starts_up: bool = True
    """Whether Redis counts as available before the first command."""
    recovers_by_itself: bool = True
    """True: the next answer ends an outage. False: only :meth:`RedisLink.recovered` does."""
    consequence: str = "continuing without it"
    """What the program does during an outage, for the log."""


def _ignore(_: object = None) -> None:
    """Do nothing: the default of a hook."""


@dataclass(frozen=True)
class LinkHooks:
    """What a program does at the link's events, such as counting them."""

    on_failure: Callable[[Exception], None] = _ignore
    """Called at every command that failed."""
    on_lost: Callable[[Exception], None] = _ignore
    """Called once for each outage, with the first failure."""
    on_recovered: Callable[[], None] = _ignore
    """Called when an outage ends."""
    reach: Callable[[str], None] = _ignore
    """Called with ``before-redis-<name>`` and ``after-redis-<name>`` of a command with a name;
    tests end the process at such points."""


class RedisLink:
    """Sends commands to Redis and knows whether it is available."""

    def __init__(
        self,
        redis: Redis,
        policy: LinkPolicy = LinkPolicy(),
        hooks: LinkHooks = LinkHooks(),
    ) -> None:
        self.redis = redis
        self.up = policy.starts_up
        """Whether Redis is available, as far as is known."""
        self.lost = asyncio.Event()
        """Set when an outage begins; its waiter clears it."""
        self._policy = policy
        self._hooks = hooks
        self._reported = False
        self._paused_until = float("-inf")
        self._slots = (
            asyncio.Semaphore(policy.commands_at_once) if policy.commands_at_once else None
        )

    @property
    def paused(self) -> bool:
        """True during the pause after a failure, when no command is sent."""
        return asyncio.get_running_loop().time() < self._paused_until

    async def send(
        self,
        command: Callable[[Redis], Awaitable[T]],
        *,
        name: str | None = None,
        within_seconds: float | None = None,
    ) -> T:
        """Send a command, also during an outage, and return its answer.

        ``name`` is that of the command's fault points. ``within_seconds`` replaces the policy's
        patience. The wait for a slot does not count: under load it says nothing about Redis.
        Raises RedisUnavailableError.
        """
        self._refuse_during_pause()
        if self._slots is None:
            return await self._send(command, name, within_seconds)
        async with self._slots:
            self._refuse_during_pause()
            return await self._send(command, name, within_seconds)

    async def attempt(
        self,
        command: Callable[[Redis], Awaitable[T]],
        *,
        name: str | None = None,
        within_seconds: float | None = None,
    ) -> T | None:
        """Send a command unless there is an outage; return its answer, None when there is none."""
        if not self.up:
            return None
        try:
            return await self.send(command, name=name, within_seconds=within_seconds)
        except RedisUnavailableError:
            return None

    def failed(self, error: Exception) -> None:
        """Record that Redis did not answer; logged once for each outage."""
        self._hooks.on_failure(error)
        if self._policy.pause_seconds > 0:
            loop = asyncio.get_running_loop()
            self._paused_until = loop.time() + self._policy.pause_seconds
        if self.up or not self._reported:
            self.up = False
            self._reported = True
            log.warning("Redis is unavailable, %s: %s", self._policy.consequence, reason(error))
            self._hooks.on_lost(error)
        self.lost.set()

    def recovered(self) -> None:
        """Record that Redis is available, and what depends on it is in order."""
        if self.up:
            return
        self.up = True
        if self._reported:
            log.info("Redis is available again")
        self._hooks.on_recovered()

    async def _send(
        self,
        command: Callable[[Redis], Awaitable[T]],
        name: str | None,
        within_seconds: float | None,
    ) -> T:
        if name is not None:
            self._hooks.reach(f"before-redis-{name}")
        patience = self._policy.patience_seconds if within_seconds is None else within_seconds
        try:
            async with asyncio.timeout(patience):
                answer = await command(self.redis)
        except FAILURES as error:
            self.failed(error)
            raise RedisUnavailableError(reason(error)) from error
        if self._policy.recovers_by_itself:
            self.recovered()
        if name is not None:
            self._hooks.reach(f"after-redis-{name}")
        return answer

    def _refuse_during_pause(self) -> None:
        if self.paused:
            raise RedisUnavailableError("Redis did not answer a moment ago")


def reason(error: Exception) -> str:
    """Return the error in words: a timeout has none of its own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
