"""Waits until something becomes true, with a deadline and a clear failure."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

Value = TypeVar("Value")

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.05


class TooLateError(AssertionError):
    """Something did not become true in time; the message says what was seen last."""


@overload
async def eventually(
    what: str,
    probe: Callable[[], Awaitable[Value]],
    accept: Callable[[Value], bool] = bool,
    *,
    within: float = PATIENCE_SECONDS,
    every: float = PAUSE_SECONDS,
) -> Value: ...


@overload
async def eventually(
    what: str,
    probe: Callable[[], Value],
    accept: Callable[[Value], bool] = bool,
    *,
    within: float = PATIENCE_SECONDS,
    every: float = PAUSE_SECONDS,
) -> Value: ...


async def eventually(
    what: str,
    probe: Callable[[], Any],
    accept: Callable[[Any], bool] = bool,
    *,
    within: float = PATIENCE_SECONDS,
    every: float = PAUSE_SECONDS,
) -> Any:
    """Return the first value of ``probe`` that ``accept`` takes; ``within`` is in seconds.

    ``what`` completes the sentence "waited in vain for …". Raises TooLateError with the value
    that was seen last, and any exception of ``probe``.
    """
    deadline = time.monotonic() + within
    while True:
        found: Any = probe()
        if inspect.isawaitable(found):
            found = await found
        if accept(found):
            return found
        if time.monotonic() > deadline:
            raise TooLateError(f"waited {within:g} s in vain for {what}; last seen: {found!r}")
        await asyncio.sleep(every)


def eventually_blocking(
    what: str,
    probe: Callable[[], Value],
    accept: Callable[[Value], bool] = bool,
    *,
    within: float = PATIENCE_SECONDS,
    every: float = PAUSE_SECONDS,
) -> Value:
    """Do what :func:`eventually` does, outside an event loop."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if accept(found):
            return found
        if time.monotonic() > deadline:
            raise TooLateError(f"waited {within:g} s in vain for {what}; last seen: {found!r}")
        time.sleep(every)


async def never(what: str, probe: Callable[[], Any], *, during: float, every: float = 0.1) -> None:
    """Check for ``during`` seconds that ``probe`` stays false. Raises AssertionError if not."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        found: Any = probe()
        if inspect.isawaitable(found):
            found = await found
        if found:
            raise AssertionError(f"this should not have happened: {what}; seen: {found!r}")
        await asyncio.sleep(every)
