"""How long to wait before something is tried again."""

from typing import Final

RETRY_BASE_SECONDS: Final = 0.5
RETRY_CAP_SECONDS: Final = 15.0
POLL_FIRST_SECONDS: Final = 2.0
POLL_CAP_SECONDS: Final = 10.0


def backoff(
    failures: int,
    chance: float,
    *,
    base: float = RETRY_BASE_SECONDS,
    cap: float = RETRY_CAP_SECONDS,
) -> float:
    """Return the seconds to wait after so many failures in a row.

    Exponential with equal jitter: half of the pause is fixed, the other half is ``chance`` (0 to
    1) of it, so that clients which lost the same server do not come back as one (AWS
    Architecture Blog, "Exponential Backoff And Jitter").
    """
    full = min(cap, base * 2.0 ** min(failures - 1, 30)) if failures > 0 else 0.0
    return full / 2 + full / 2 * chance


def before_next_try(
    failures: int, chance: float, asked_for: float | None, *, cap: float = RETRY_CAP_SECONDS
) -> float:
    """Return the backoff, or the longer pause that the server asked for (Retry-After)."""
    return max(backoff(failures, chance, cap=cap), asked_for or 0.0)


def between_polls(unchanged: int) -> float:
    """Return the seconds between two polls, after so many polls in a row with nothing new."""
    return min(POLL_CAP_SECONDS, POLL_FIRST_SECONDS * 1.5 ** min(unchanged, 30))
