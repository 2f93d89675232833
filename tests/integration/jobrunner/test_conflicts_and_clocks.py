"""Somebody else writes to a job all the time, and clocks that differ by minutes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.harness.api import JOBS, Api
from tests.harness.cluster import Cluster
from tests.harness.fault_proxy import Fault, Rule, fault_proxy, on
from tests.harness.history import JobHistory, violations
from tests.harness.jobs import create_job, job_becomes, patch_status, read_job
from tests.harness.tenants import request_token
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay
from wherry_core.redis import job_queue
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.base import format_time


@asynccontextmanager
async def foreign_writes(room: Room, job: DownloadJob, per_second: float) -> AsyncIterator[None]:
    """Change an annotation of the job all the time, as another controller may."""

    async def write() -> None:
        number = 0
        while True:
            number += 1
            body = {"metadata": {"annotations": {"example.com/number": str(number)}}}
            await room.api.patch(JOBS, room.namespace, job.metadata.name, body)
            await asyncio.sleep(1 / per_second)

    writing = asyncio.create_task(write())
    try:
        yield
        assert not writing.done()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.mark.parametrize("file_ids", [("1", "2"), ("1", "no such file")])
async def test_foreign_writes_neither_discard_an_archive_nor_lose_a_failure(
    file_ids: tuple[str, ...], room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    runner = start_runner(**delay(2))
    job = await room.queue(*file_ids)
    await job_becomes(room.api, job, Phase.PROCESSING)
    async with foreign_writes(room, job, 25):
        outcome = "failed" if "no such file" in file_ids else "completed"
        await runner.wait_logged(f"attempt ended: {outcome}")
    done = await read_job(room.api, job)
    assert done.status.attempt == 1
    if outcome == "completed":
        assert done.status.phase is Phase.COMPLETED
        assert done.status.archive is not None
        assert len(await room.bucket.keys(room.folder(job, 1))) == 2
        assert done.status.failures == ()
    else:
        assert [each.reason for each in done.status.failures] == ["FilesNotFound"]
    await job_history.reach(done.metadata.resource_version)
    assert violations(job_history.changes) == []


async def test_a_burst_of_conflicts_longer_than_a_few_tries_is_waited_out(
    room: Room, start_runner: StartRunner, cluster: Cluster, api: Api, tmp_path: Path
) -> None:
    async with fault_proxy(cluster) as proxy:
        token = await request_token(api, room.namespace, "runner")
        config = cluster.token_kubeconfig(
            tmp_path / "proxied", namespace=room.namespace, token=token, server=proxy.url
        )
        runner = start_runner(KUBECONFIG=str(config), **delay(1))
        job = await room.queue()
        await job_becomes(room.api, job, Phase.PROCESSING)
        proxy.rules.append(Rule(on("PATCH", "/status"), Fault.ANSWER, status=409, times=12))
        done = await job_becomes(room.api, job, Phase.COMPLETED)
        await runner.wait_logged("attempt ended: completed")
    assert (done.status.attempt, done.status.failures) == (1, ())


@pytest.mark.parametrize("minutes", [2, -2])
async def test_times_are_those_of_the_api_server_whatever_the_runner_s_clock_says(
    minutes: int,
    room: Room,
    start_runner: StartRunner,
    cluster: Cluster,
    api: Api,
    tmp_path: Path,
) -> None:
    """The API server's clock is ahead of the runner's or behind it: all that counts is its own."""
    ahead = timedelta(minutes=minutes)
    async with fault_proxy(cluster) as proxy:
        proxy.clock_offset_seconds = ahead.total_seconds()
        token = await request_token(api, room.namespace, "runner")
        config = cluster.token_kubeconfig(
            tmp_path / "proxied", namespace=room.namespace, token=token, server=proxy.url
        )
        start_runner(KUBECONFIG=str(config))
        job = await room.queue()
        done = await job_becomes(room.api, job, Phase.COMPLETED)
        failing = await room.queue("1", "no such file")
        failed = await eventually(
            "a failure",
            lambda: read_job(room.api, failing),
            lambda found: bool(found.status.failures),
        )
        # A backoff that has just ended by the API server's clock.
        retried = await create_job(room.api, room.namespace, ["1", "2"])
        due = format_time(datetime.now(UTC) + ahead)
        await patch_status(room.api, retried, phase="Queued", attempt=1, nextAttemptTime=due)
        await job_queue.enqueue(room.redis, "default", retried.key, 0)
        await job_becomes(room.api, retried, Phase.COMPLETED)
    now = datetime.now(UTC) + ahead
    status = done.status
    assert status.start_time is not None
    assert status.attempt_start_time is not None
    assert status.completion_time is not None
    for moment in (
        status.start_time,
        status.attempt_start_time,
        status.completion_time,
        failed.status.failures[0].time,
    ):
        assert abs(now - moment) < timedelta(seconds=60)
