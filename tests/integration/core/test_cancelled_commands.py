"""A task that is cancelled during a command ends, whenever the cancellation arrives.

redis-py sends with ``asyncio.wait_for``. Before Python 3.12, that swallows a cancellation which
arrives in the iteration of the event loop in which the send completes (python/cpython#86296).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.settings import RedisSettings

ITERATIONS = 40
"""Iterations of the event loop before the cancellation: more than one command takes."""


Command = Callable[[Any], Awaitable[Any]]


async def repeat(redis: Redis, command: Command) -> None:
    while True:
        await command(redis)


async def ends_when_cancelled(redis: Redis, command: Command, iterations: int) -> bool:
    task = asyncio.create_task(repeat(redis, command))
    for _ in range(iterations):
        await asyncio.sleep(0)
    task.cancel()
    _, pending = await asyncio.wait({task}, timeout=0.5)
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.01)
    return not pending


async def swallowed_after(redis: Redis, command: Command) -> list[int]:
    """Return the iterations after which a cancellation of repeated commands was swallowed."""
    await command(redis)
    return [
        count for count in range(ITERATIONS) if not await ends_when_cancelled(redis, command, count)
    ]


@pytest.mark.parametrize("form", ["host and port", "URL"])
async def test_a_cancellation_is_never_swallowed(redis_env: dict[str, str], form: str) -> None:
    if form == "URL":
        host, port = redis_env["REDIS_HOST"], redis_env["REDIS_PORT"]
        password, database = redis_env["REDIS_PASSWORD"], redis_env["REDIS_DB"]
        url = f"redis://:{password}@{host}:{port}/{database}"
        redis_env = {"WHERRY_REDIS_URL": url}
    redis = redis_client.connect(RedisSettings.model_validate(redis_env))
    assert await swallowed_after(redis, lambda client: client.ping()) == []
    assert await redis.ping()
    await redis.aclose()
