"""The subscription connection of a process: channels are added and removed, losses repaired."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from redis.exceptions import RedisError

from wherry_api.metrics import SUBSCRIPTION_LOST
from wherry_core.redis import keys
from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)

ALWAYS: Final = keys.job_updates("-")
"""A channel of no job: a subscription without channels would not even receive pings."""
PING_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 12.0
"""Seconds without any message, not even a pong, after which the connection is lost."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
CHANNELS_AT_ONCE: Final = 500


class RedisSubscription:
    """Receives updates of jobs.

    Calls ``on_update`` with each message, and ``on_confirmed`` with channels on which no message
    is missed from then on: after they were added, and after every reconnect, when their jobs must
    be read again. Calls ``on_lost`` when no channel is confirmed any more.
    """

    def __init__(
        self,
        redis: Redis,
        on_update: Callable[[str, str], None],
        on_confirmed: Callable[[Sequence[str]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._on_update = on_update
        self._on_confirmed = on_confirmed
        self._on_lost = on_lost
        self._wanted: set[str] = set()
        self._pubsub: Any = None
        self.connected = False
        """True while updates are received."""

    async def add(self, channel: str) -> None:
        """Add a channel; it is confirmed later, or once Redis is available."""
        self._wanted.add(channel)
        await self._command("subscribe", channel)

    async def remove(self, channel: str) -> None:
        """Remove a channel."""
        self._wanted.discard(channel)
        await self._command("unsubscribe", channel)

    async def run(self) -> None:
        """Receive until cancelled; reconnect with growing pauses."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._receive()
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    SUBSCRIPTION_LOST.inc()
                    log.warning(
                        "the subscription to Redis is lost, streams read jobs instead: %s", error
                    )
            finally:
                self.connected = False
                self._on_lost()
                await self._close()
            if asyncio.get_running_loop().time() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        self._pubsub = pubsub = self._redis.pubsub()
        await pubsub.subscribe(ALWAYS)
        received = pinged = loop.time()
        while True:
            message = await pubsub.get_message(timeout=PING_SECONDS / 2)
            now = loop.time()
            if message is not None:
                received = now
                await self._dispatch(message)
            if now - received > SILENCE_SECONDS:
                raise TimeoutError("no message was received, not even an answer to a ping")
            if now - pinged > PING_SECONDS:
                pinged = now
                await pubsub.ping()

    async def _dispatch(self, message: dict[str, Any]) -> None:
        kind, channel = message["type"], message.get("channel")
        if kind == "message":
            self._on_update(str(channel), str(message["data"]))
        elif kind == "subscribe" and channel == ALWAYS:
            # The first message after every connect, including redis-py's automatic reconnects.
            self._on_lost()
            self.connected = True
            await self._subscribe_all()
        elif kind == "subscribe":
            self._on_confirmed([str(channel)])

    async def _subscribe_all(self) -> None:
        wanted = iter(tuple(self._wanted))
        while batch := list(islice(wanted, CHANNELS_AT_ONCE)):
            await self._pubsub.subscribe(*batch)

    async def _command(self, name: str, channel: str) -> None:
        if not self.connected or self._pubsub is None:
            return
        try:
            await getattr(self._pubsub, name)(channel)
        except (RedisError, OSError, TimeoutError) as error:
            # The reader of this connection sees the same loss and reconnects with all channels.
            log.debug("%s failed: %s", name, error)

    async def _close(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is None:
            return
        try:
            await pubsub.aclose()
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("closing the lost subscription failed: %s", error)
