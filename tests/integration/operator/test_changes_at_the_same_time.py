"""Somebody else changes a job at the moment at which the operator decides about it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.harness import jobs
from tests.harness.api import JOBS, ApiError
from tests.harness.fault_proxy import Fault, FaultProxy, Rule, on
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.resources import DownloadJob, Phase

WRITES_A_SECOND = 30


@asynccontextmanager
async def busy_writer(operated: Operated, job: DownloadJob) -> AsyncIterator[list[int]]:
    """Change the job's annotations all the time; yields a list that grows with each write."""
    written: list[int] = []

    async def write() -> None:
        while True:
            body = {"metadata": {"annotations": {"example.com/count": str(len(written))}}}
            with contextlib.suppress(ApiError):
                await operated.api.patch(JOBS, operated.namespace, job.metadata.name, body)
                written.append(len(written))
            await asyncio.sleep(1 / WRITES_A_SECOND)

    task = asyncio.create_task(write())
    try:
        yield written
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_busy_writer_does_not_starve_the_decisions(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    body = jobs.job_body(["1"], suspend=True)
    job = DownloadJob.model_validate(await operated.api.create(JOBS, operated.namespace, body))
    async with busy_writer(operated, job) as written:
        await jobs.job_becomes(operated.api, job, Phase.QUEUED, within=10)
        await jobs.patch_spec(operated.api, job, suspend=False)
        await eventually(
            "the job to be resumed",
            lambda: jobs.read_job(operated.api, job),
            lambda found: found.status.observed_generation == 2,
            within=10,
        )
        await jobs.patch_spec(operated.api, job, cancel=True)
        await jobs.job_becomes(operated.api, job, Phase.CANCELLED, within=10)
        await jobs.patch_spec(operated.api, job, ttlSecondsAfterFinished=1)
        await eventually(
            "the job to expire",
            lambda: operated.api.find(JOBS, operated.namespace, job.metadata.name),
            lambda found: found is None,
            within=15,
        )
    assert len(written) > 10


async def test_a_time_to_live_that_is_raised_at_its_end_keeps_job_and_archive(
    operated: Operated, proxy: FaultProxy
) -> None:
    """The operator's DELETE fails, and the TTL is raised before it is repeated."""
    await operated.create_pool()
    await operated.start_behind()
    proxy.rules.append(Rule(on("DELETE", "/downloadjobs/"), Fault.ANSWER, 1_000, 500))
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], ttlSecondsAfterFinished=1)
    key = f"archives/{operated.namespace}/{job.metadata.uid}/1/a.zip"
    bucket, runner = operated.bucket.name, operated.runner()
    await runner.start()
    async with operated.bucket.connect() as store:
        async with runner.beating():
            claimed = await runner.take()
            await store.put_object(Bucket=bucket, Key=key, Body=b"zip")
            await runner.complete(claimed)
        await eventually(
            "the operator to try the deletion", lambda: proxy.count("DELETE", "/downloadjobs/")
        )
        await jobs.patch_spec(operated.api, job, ttlSecondsAfterFinished=3_600)
        proxy.rules.clear()
        await asyncio.sleep(3)
        kept = await jobs.read_job(operated.api, job)
        assert kept.status.phase is Phase.COMPLETED
        await store.head_object(Bucket=bucket, Key=key)
        await jobs.patch_spec(operated.api, job, ttlSecondsAfterFinished=0)
        await eventually(
            "the archive to be deleted with the job",
            lambda: store.list_objects_v2(Bucket=bucket, Prefix=key),
            lambda seen: not seen.get("Contents"),
        )
    assert await operated.api.find(JOBS, operated.namespace, job.metadata.name) is None
