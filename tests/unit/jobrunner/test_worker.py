"""The work loop's steps whose timing no real Redis can be asked for."""

import asyncio
from types import SimpleNamespace
from typing import Any

from wherry_core.redis.runner_registry import RunnerId
from wherry_jobrunner.worker import Worker


def worker() -> Worker:
    settings = SimpleNamespace(pool="default", runner=RunnerId("runner", "uid"), concurrency=1)
    dependencies: Any = SimpleNamespace(settings=settings, redis=None)
    return Worker(dependencies)


async def test_a_slot_that_becomes_free_as_the_runner_leaves_is_not_used() -> None:
    """A pop would be cut short then, and could lose its job."""
    tested = worker()
    taking = asyncio.create_task(tested._free_slot())
    await asyncio.sleep(0)
    tested.leave("a test")
    assert await taking is False


async def test_a_free_slot_is_used() -> None:
    assert await worker()._free_slot()
