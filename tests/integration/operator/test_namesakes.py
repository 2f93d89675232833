"""A job recreated under a deleted one's name is a different job, even if old writes arrive late."""

import asyncio

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.redis import job_states
from wherry_core.resources import DownloadJob, Phase

NAME = "asked-for-again"


async def make(operated: Operated) -> DownloadJob:
    return await jobs.create_job(operated.api, operated.namespace, ["1"], NAME)


async def delete(operated: Operated) -> None:
    await operated.api.delete(JOBS, operated.namespace, NAME)


async def shown_uid(operated: Operated) -> str | None:
    """Return whose snapshot polling and streams would show."""
    seen = await job_states.read(operated.redis, operated.namespace, NAME)
    return seen.uid if seen else None


async def test_a_late_word_of_a_deleted_job_is_not_shown_for_its_namesake(
    operated: Operated,
) -> None:
    await operated.create_pool()
    operated.start_operator()
    await make(operated)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        old = await runner.take()
        # Times of creation are whole seconds.
        await asyncio.sleep(1)
        await delete(operated)
        new = await make(operated)
        await eventually(
            "the new job to be shown",
            lambda: shown_uid(operated),
            lambda uid: uid == new.metadata.uid,
        )
        for status in (JobStatus.PROCESSING, JobStatus.COMPLETED):
            late = snapshot_of(old).model_copy(update={"step": 99, "status": status})
            assert not await job_states.publish(operated.redis, late, 60)
        assert await shown_uid(operated) == new.metadata.uid
        await runner.complete(await runner.take())
        done = await jobs.job_becomes(operated.api, new, Phase.COMPLETED)
    assert done.metadata.uid == new.metadata.uid


@pytest.mark.parametrize("claimed", [False, True], ids=["waiting", "running"])
async def test_clearing_up_after_a_job_leaves_its_namesake_in_the_queue(
    operated: Operated, claimed: bool
) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await make(operated)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        for _ in range(10):
            if claimed:
                job = await runner.take()
            else:
                await jobs.job_becomes(operated.api, job, Phase.QUEUED)
            await delete(operated)
            job = await make(operated)
        last = await runner.take()
        assert last.metadata.uid == job.metadata.uid
        await runner.complete(last)
        await jobs.job_becomes(operated.api, job, Phase.COMPLETED)
