"""Loops that go on after an error of our own, and their end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from wherry_jobrunner import metrics

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0
CANCEL_AGAIN_SECONDS: Final = 1.0


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


async def end_all(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` and wait for their end; their errors are theirs.

    A cancel may get lost, in ``asyncio.wait_for`` of Python 3.11 for one (python/cpython#86296):
    who does not hear it hears it again.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
