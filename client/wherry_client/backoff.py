"""How long to wait before a request is repeated."""

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
    """Return the seconds to wait after ``failures`` failures in a row.

    Exponential with equal jitter: half of the pause is fixed, and ``chance`` (0 to 1) scales the
    other half, so that clients which lost the same server do not return at the same moment (AWS
    Architecture Blog, "Exponential Backoff And Jitter").
    """
    full = min(cap, base * 2.0 ** min(failures - 1, 30)) if failures > 0 else 0.0
    return full / 2 + full / 2 * chance


def retry_delay(
    failures: int, chance: float, retry_after: float | None, *, cap: float = RETRY_CAP_SECONDS
) -> float:
    """Return the backoff in seconds, or ``retry_after`` if the server asks for a longer pause."""
    return max(backoff(failures, chance, cap=cap), retry_after or 0.0)


def poll_interval(unchanged: int) -> float:
    """Return the seconds between two polls after ``unchanged`` polls in a row without a change."""
    return min(POLL_CAP_SECONDS, POLL_FIRST_SECONDS * 1.5 ** min(unchanged, 30))
