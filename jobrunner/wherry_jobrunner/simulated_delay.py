"""The simulated delay: a random wait before the work, to try clients with slow jobs."""

import asyncio
from collections.abc import Callable
from typing import Final

from wherry_jobrunner.settings import RunnerSettings

SLICE_SECONDS: Final = 1.0


def chosen_delay(settings: RunnerSettings, draw: Callable[[float, float], float]) -> float:
    """Return the seconds to wait, 0 when the delay is off.

    ``draw`` returns a number between its two arguments, as ``random.uniform`` does.
    """
    if not settings.delay_enabled:
        return 0.0
    return draw(settings.delay_min_ms, settings.delay_max_ms) / 1_000


def slices(seconds: float) -> list[float]:
    """Cut a wait into slices of at most a second, so that followers hear of it meanwhile."""
    whole = int(seconds // SLICE_SECONDS)
    rest = seconds - whole * SLICE_SECONDS
    return [SLICE_SECONDS] * whole + ([rest] if rest > 0 else [])


async def wait(seconds: float, tick: Callable[[], None]) -> None:
    """Wait ``seconds``, calling ``tick`` after each slice; a cancelled wait ends at once."""
    for part in slices(seconds):
        await asyncio.sleep(part)
        tick()
