"""A task that is cancelled while it speaks to Redis ends, at whatever moment the cancel comes.

Before Python 3.12, ``asyncio.wait_for`` swallows a cancel that comes in the very turn of the
event loop in which what it waits for is done (python/cpython#86296), and redis-py sends with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.settings import RedisSettings

TURNS = 40
"""Turns of the event loop after which the cancel comes: more than one command takes."""


Command = Callable[[Any], Awaitable[Any]]


async def send_for_ever(redis: Redis, command: Command) -> None:
    while True:
        await command(redis)


async def ends_when_cancelled(redis: Redis, command: Command, turns: int) -> bool:
    task = asyncio.create_task(send_for_ever(redis, command))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    _, pending = await asyncio.wait({task}, timeout=0.5)
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.01)
    return not pending


async def deaf_moments(redis: Redis, command: Command) -> list[int]:
    """Return after how many turns a cancel of a loop of ``command`` was swallowed."""
    await command(redis)
    return [turns for turns in range(TURNS) if not await ends_when_cancelled(redis, command, turns)]


@pytest.mark.parametrize("form", ["host and port", "URL"])
async def test_a_cancel_is_never_swallowed(redis_env: dict[str, str], form: str) -> None:
    if form == "URL":
        host, port = redis_env["REDIS_HOST"], redis_env["REDIS_PORT"]
        password, database = redis_env["REDIS_PASSWORD"], redis_env["REDIS_DB"]
        url = f"redis://:{password}@{host}:{port}/{database}"
        redis_env = {"WHERRY_REDIS_URL": url}
    redis = redis_client.connect(RedisSettings.model_validate(redis_env))
    assert await deaf_moments(redis, lambda client: client.ping()) == []
    assert await redis.ping()
    await redis.aclose()
