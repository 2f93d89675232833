"""Loops that continue after an error of our own, and how they are cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from wherry_jobrunner import metrics

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0
CANCEL_AGAIN_SECONDS: Final = 0.1


async def supervised(
    what: str, loop: Callable[[], Awaitable[None]], context: Mapping[str, object] | None = None
) -> None:
    """Run ``loop`` until it returns; log and count an error in it, and run it again.

    A runner with jobs in progress must neither end nor fall silent because of a fault in one place.
    """
    while True:
        try:
            await loop()
        except Exception:
            metrics.FAULTS.labels(what).inc()
            log.exception("%s failed; it continues", what, extra=dict(context or {}))
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


async def cancel_all(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` and wait until they have ended; their errors are not raised.

    A task is cancelled again when it did not notice: ``asyncio.wait_for`` of Python 3.11 can lose
    a cancellation (python/cpython#86296).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
