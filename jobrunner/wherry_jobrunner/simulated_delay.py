"""The simulated delay: a random wait before the work, to try clients with slow jobs.

It wraps the archive engine, so that neither the engine nor an attempt knows about it.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from wherry_core.redis.client import Redis
from wherry_core.settings import StoreSettings
from wherry_jobrunner.archive.interface import ArchiveProgress, ArchiveRequest, ArchiveResult
from wherry_jobrunner.dependencies import Bundle
from wherry_jobrunner.settings import RunnerSettings

SLICE_SECONDS: Final = 1.0


def delayed(bundle: Bundle, settings: RunnerSettings) -> Bundle:
    """Return ``bundle`` with a random wait before it; ``bundle`` itself when the delay is off.

    Progress is reported every second of the wait; a cancelled wait ends at once.
    """
    if not settings.delay_enabled:
        return bundle
    shortest, longest = settings.delay_min_ms, settings.delay_max_ms

    async def after_a_wait(
        request: ArchiveRequest,
        client: Any,
        settings: StoreSettings,
        *,
        report: Callable[[ArchiveProgress], None],
        redis: Redis | None = None,
    ) -> ArchiveResult:
        nothing_yet = ArchiveProgress(len(set(request.file_ids)), 0, 0, 0, 0)
        milliseconds = random.uniform(shortest, longest)  # noqa: S311
        for part in slices(milliseconds / 1_000):
            await asyncio.sleep(part)
            report(nothing_yet)
        return await bundle(request, client, settings, report=report, redis=redis)

    return after_a_wait


def slices(seconds: float) -> list[float]:
    """Cut a wait into slices of at most a second."""
    whole = int(seconds // SLICE_SECONDS)
    rest = seconds - whole * SLICE_SECONDS
    return [SLICE_SECONDS] * whole + ([rest] if rest > 0 else [])
