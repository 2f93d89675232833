"""Retries of requests: for which errors, how often, and after which pauses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp

from wherry_jobrunner.archive.metrics import REQUEST_RETRIES
from wherry_jobrunner.archive.store.errors import store_unavailable

Result = TypeVar("Result")

PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
FIRST_DELAY_SECONDS: Final = 0.1
LONGEST_DELAY_SECONDS: Final = 5.0


class PassingStatusError(Exception):
    """An HTTP status that asks for another try later."""

    def __init__(self, status: int, retry_after: str | None = None) -> None:
        super().__init__(f"HTTP status {status}")
        self.retry_after = retry_after


class TruncatedError(Exception):
    """A body that does not have its announced length."""


PASSING: Final = (
    aiohttp.ClientError,
    TimeoutError,
    OSError,
    PassingStatusError,
    TruncatedError,
)
"""Errors for which a retry of the same request may help."""


def delay(attempt: int, error: BaseException, chance: float) -> float:
    """Return the seconds to wait after the failed try number ``attempt``, counted from 0.

    Doubling with full jitter (``chance`` from 0 to 1), so that many requests are not
    repeated at once. The store's Retry-After counts where it gives one, up to the longest delay.
    """
    asked = getattr(error, "retry_after", None)
    least = float(asked) if asked and asked.isascii() and asked.isdigit() else 0.0
    backoff = FIRST_DELAY_SECONDS * 2**attempt * (0.5 + chance / 2)
    return float(min(max(backoff, least), LONGEST_DELAY_SECONDS))


def cause_of(error: BaseException) -> str:
    """Return the cause of a retry as one of a few words, for a metric."""
    if isinstance(error, PassingStatusError):
        return "status"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, TruncatedError | aiohttp.ClientPayloadError):
        return "truncated"
    return "connection"


async def wait_or_give_up(attempt: int, attempts: int, error: BaseException, what: str) -> None:
    """Sleep until the next try, or raise ArchiveError when ``attempt`` was the last one."""
    if attempt + 1 >= attempts:
        raise store_unavailable(what, attempts, error) from error
    REQUEST_RETRIES.labels(cause_of(error)).inc()
    await asyncio.sleep(delay(attempt, error, random.random()))  # noqa: S311 no secret


async def retried(once: Callable[[], Awaitable[Result]], attempts: int, what: str) -> Result:
    """Return what ``once`` returns, retrying it after a passing error.

    Raises ArchiveError (StoreUnavailable) after the last try.
    """
    attempt = 0
    while True:
        try:
            return await once()
        except PASSING as error:
            await wait_or_give_up(attempt, attempts, error, what)
        attempt += 1
