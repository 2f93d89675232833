"""Requests of the tests to an API server that they restart meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from tests.harness.api import ApiError

Value = TypeVar("Value")

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.3


async def persist(request: Callable[[], Awaitable[Value]]) -> Value:
    """Repeat ``request`` until it is answered. Raises TimeoutError, and ApiError below 429."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await request()
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(PAUSE_SECONDS)
            except ApiError as error:
                if error.status < 429:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
