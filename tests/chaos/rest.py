"""Waits until the clean-up after a run has ended."""

import asyncio
from collections.abc import Iterable

from tests.chaos.world import World
from tests.harness.api import JOBS
from tests.harness.model import GONE, Answers
from tests.harness.waiting import eventually

DELETION_SECONDS = 60
"""Seconds from the start of an operator until a deletion has reached Redis, the API and the
store."""
REQUESTS_AT_ONCE = 8


async def nothing_left(world: World) -> None:
    """Wait until idle runners have left and what fenced attempts stored is removed."""
    await eventually(
        "all runners to have left",
        lambda: world.api.list_all("pods", world.namespace),
        lambda pods: not pods,
        within=120,
        every=0.5,
    )

    async def leftovers() -> list[str]:
        jobs = await world.api.list_all(JOBS, world.namespace)
        archives = [each.get("status", {}).get("archive") or {} for each in jobs]
        owned = {each.get("key") for each in archives} | {
            each.get("manifestKey") for each in archives
        }
        keys = await world.bucket.keys("archives/")
        return [*(set(keys) - owned), *await world.bucket.uploads("archives/")]

    await eventually(
        "the sweep to clean up the bucket", leftovers, lambda found: not found, within=90, every=1
    )


async def answers_for(world: World, jobs: Iterable[str]) -> dict[str, Answers]:
    """Return how the API answers for each of the jobs."""
    room = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def ask(job: str) -> tuple[str, Answers]:
        async with room:
            return job, await world.answers(job)

    return dict(await asyncio.gather(*(ask(job) for job in jobs)))


async def deletions_known(world: World) -> None:
    """Wait until the API answers for no job that was deleted."""

    async def still_answered() -> list[str]:
        existing = {
            each["metadata"]["name"] for each in await world.api.list_all(JOBS, world.namespace)
        }
        gone = [job for job in world.deleted if job.rpartition("/")[2] not in existing]
        found = await answers_for(world, gone)
        return [job for job, each in found.items() if not {each.status, each.download} <= GONE]

    await eventually(
        "the API to answer for no deleted job",
        still_answered,
        lambda found: not found,
        within=DELETION_SECONDS,
        every=1,
    )
