"""Keep-alive of streams: heartbeats, and the end of streams whose client has stalled."""

import asyncio
import logging
from typing import Final

from wherry_api.metrics import STREAMS_DROPPED
from wherry_api.stream.subscriber import Subscriber

log = logging.getLogger(__name__)

TICKS: Final = 30
"""Ticks of a heartbeat's period; each stream is served on one of them."""


class Heartbeats:
    """Sends every subscriber a heartbeat once in each period, with one timer for all of them."""

    def __init__(self, period_seconds: float, send_timeout_seconds: float) -> None:
        self._period = period_seconds
        self._send_timeout = send_timeout_seconds
        self._ticks: list[set[Subscriber]] = [set() for _ in range(TICKS)]
        self._tick = 0

    def add(self, subscriber: Subscriber) -> None:
        """Start to send heartbeats to ``subscriber``; the first one after a whole period."""
        subscriber.tick = (self._tick - 1) % TICKS
        self._ticks[subscriber.tick].add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Send no more heartbeats to ``subscriber``."""
        self._ticks[subscriber.tick].discard(subscriber)

    async def run(self) -> None:
        """Serve tick by tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._period / TICKS)
            due = self._ticks[self._tick]
            self._tick = (self._tick + 1) % TICKS
            for subscriber in tuple(due):
                subscriber.beat()
            self._drop_stalled(loop.time())

    def _drop_stalled(self, now: float) -> None:
        for subscribers in self._ticks:
            for subscriber in tuple(subscribers):
                since = subscriber.sending_since
                if since is not None and now - since > self._send_timeout:
                    STREAMS_DROPPED.inc()
                    job = "/".join(subscriber.job)
                    log.info("a stalled client is disconnected", extra={"job": job})
                    subscriber.drop()
