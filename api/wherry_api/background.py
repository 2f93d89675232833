"""What runs beside the requests, for as long as the process does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from wherry_api.metrics import BACKGROUND, FAULTS

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0
"""Between a fault and the new beginning."""


async def kept_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run ``run`` until cancelled; a fault in it is logged, counted, and not its end.

    A task that ended unseen would leave streams without updates, or readiness with an old answer,
    in a process that looks well.
    """
    while True:
        try:
            await run()
        except Exception:
            FAULTS.labels(BACKGROUND).inc()
            log.exception("a fault ended the %s, which begins again", name)
        await asyncio.sleep(PAUSE_SECONDS)
