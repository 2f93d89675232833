"""Loops that go on after an error of our own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from wherry_jobrunner import metrics

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0


async def guarded(
    what: str, loop: Callable[[], Awaitable[None]], context: Mapping[str, object] | None = None
) -> None:
    """Run ``loop`` until it returns; an error in it is logged, counted, and it is run again.

    A runner with jobs under way must not end, or fall silent, for a fault in one place.
    """
    while True:
        try:
            await loop()
        except Exception:
            metrics.FAULTS.labels(what).inc()
            log.exception("%s failed, and goes on", what, extra=dict(context or {}))
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
