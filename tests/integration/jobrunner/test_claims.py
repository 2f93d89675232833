"""Which runner gets a job, and which jobs no runner takes."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.harness.history import JobHistory, violations
from tests.harness.jobs import create_job, job_becomes, patch_spec, patch_status, read_job
from tests.harness.processes import fetch
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay, runner_id
from wherry_core.redis import job_queue, runner_registry
from wherry_core.resources import Phase
from wherry_core.resources.base import format_time


async def test_of_two_runners_with_the_same_job_exactly_one_claims_it(
    room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    # Each queue holds the same jobs, so that both runners go for every one of them.
    start_runner("left-runner-0", WHERRY_POOL="left")
    start_runner("right-runner-0", WHERRY_POOL="right")
    jobs = [await room.queue(pool="without-runners") for _ in range(12)]
    for job in jobs:
        await job_queue.enqueue(room.redis, "left", job.key, 0)
        await job_queue.enqueue(room.redis, "right", job.key, 0)
    for job in jobs:
        done = await job_becomes(room.api, job, Phase.COMPLETED)
        assert len(await room.bucket.keys(room.folder(job, 1))) == 2
    await job_history.reach(done.metadata.resource_version)
    assert violations(job_history.changes) == []


@pytest.mark.parametrize("spec", [{"suspend": True}, {"cancel": True}])
async def test_suspended_and_cancelled_jobs_are_dropped(
    spec: dict[str, bool], room: Room, start_runner: StartRunner
) -> None:
    job = await room.queue()
    await job_queue.remove(room.redis, "default", [job.key])
    await patch_spec(room.api, job, **spec)
    before = await read_job(room.api, job)
    runner = start_runner()
    await job_queue.enqueue(room.redis, "default", job.key, 0)
    word = "suspended" if "suspend" in spec else "cancelled"
    await eventually(
        "the runner to drop it",
        lambda: fetch(runner.ready_url.replace("/readyz", "/metrics")),
        lambda page: f'wherry_runner_claims_total{{result="{word}"}} 1.0' in page,
    )
    assert await read_job(room.api, job) == before


async def test_jobs_that_do_not_exist_wait_for_a_retry_or_make_no_sense_are_dropped(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner()
    waiting = await create_job(room.api, room.namespace, ["1"])
    later = format_time(datetime.now(UTC) + timedelta(hours=1))
    await patch_status(room.api, waiting, phase="Queued", attempt=2, nextAttemptTime=later)
    for member in (waiting.key, f"{room.namespace}/unknown", "no-key", "a/b/c"):
        await job_queue.enqueue(room.redis, "default", member, 0)
    url = runner.ready_url.replace("/readyz", "/metrics")
    lines = ('"too_early"} 1.0', '"not_found"} 1.0', '"not_a_job"} 2.0')
    await eventually(
        f"the metrics {lines}",
        lambda: fetch(url),
        lambda page: all(line in page for line in lines),
    )
    assert (await read_job(room.api, waiting)).status.phase is Phase.QUEUED


async def test_idle_runner_leaves_when_drained_and_leaves_no_record(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner()
    assert await runner_registry.drain(room.redis, "default", runner_id())
    assert await runner.wait_ended() == 0
    assert await room.redis.keys("wherry:{default}:runner:*") == []


async def test_busy_runner_is_not_drained(room: Room, start_runner: StartRunner) -> None:
    runner = start_runner(**delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    assert not await runner_registry.drain(room.redis, "default", runner_id())
    await job_becomes(room.api, job, Phase.COMPLETED)
    assert runner.running


async def test_retired_runner_ends_its_job_takes_no_other_and_leaves(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await runner_registry.retire(room.redis, "default", runner_id())
    other = await room.queue()
    assert await runner.wait_ended() == 0
    assert (await read_job(room.api, job)).status.phase is Phase.COMPLETED
    assert (await read_job(room.api, other)).status.phase is Phase.QUEUED
    assert await job_queue.members(room.redis, "default") == {other.key}
