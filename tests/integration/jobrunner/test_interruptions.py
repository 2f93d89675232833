"""Attempts that are stopped from outside: SIGTERM, SIGKILL, SIGSTOP, cancel, suspend, delete."""

import asyncio
import signal

from tests.harness.api import JOBS
from tests.harness.history import JobHistory, violations
from tests.harness.jobs import job_becomes, patch_spec, patch_status, queue_job, read_job
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay, runner_id
from wherry_core.redis import runner_registry
from wherry_core.resources import Phase


async def test_sigterm_lets_a_job_finish_within_the_grace(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(WHERRY_STOP_GRACE_SECONDS="30", **delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    runner.terminate()
    assert await runner.wait_ended() == 0
    assert (await read_job(room.api, job)).status.phase is Phase.COMPLETED


async def test_sigterm_hands_back_what_does_not_finish_and_spends_no_attempt(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(WHERRY_STOP_GRACE_SECONDS="0.5", **delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    runner.terminate()
    assert await runner.wait_ended() == 0
    found = await read_job(room.api, job)
    assert found.status.phase is Phase.PROCESSING
    assert found.status.runner is None
    assert found.status.failures == ()
    assert found.status.attempt == 1

    start_runner("default-runner-1")
    await queue_job(room.api, room.redis, job, attempt=2)
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert done.status.archive is not None
    assert done.status.archive.key.startswith(room.folder(job, 2))


async def test_after_sigkill_another_runner_completes_the_next_attempt(
    room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    claimed = await job_becomes(room.api, job, Phase.PROCESSING)
    runner.kill()
    start_runner("default-runner-1")
    await queue_job(room.api, room.redis, job, attempt=2)
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert (done.status.attempt, done.status.runner) == (2, "default-runner-1")
    assert done.status.start_time == claimed.status.start_time
    await job_history.reach(done.metadata.resource_version)
    assert violations(job_history.changes) == []


async def test_frozen_runner_cannot_complete_what_another_one_took_over(
    room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    frozen = start_runner(**delay(3))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    frozen.pause()
    # Redis would still hand the next job to the pop that the frozen runner has under way.
    await eventually(
        "the frozen runner's pop to time out",
        lambda: room.redis.info("clients"),
        lambda clients: clients["blocked_clients"] == 0,
    )
    start_runner("default-runner-1")
    await queue_job(room.api, room.redis, job, attempt=2)
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    frozen.resume()
    await frozen.wait_logged("attempt ended: fenced")
    assert await read_job(room.api, job) == done
    assert await room.bucket.keys(room.folder(job, 1)) == []
    assert await room.bucket.uploads(room.folder(job, 1)) == []
    assert len(await room.bucket.keys(room.folder(job, 2))) == 2
    await job_history.reach(done.metadata.resource_version)
    assert violations(job_history.changes) == []


async def test_runner_frozen_for_long_checks_its_claims_before_it_goes_on(
    room: Room, start_runner: StartRunner
) -> None:
    frozen = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    frozen.pause()
    await patch_status(room.api, job, phase="Queued", attempt=2, runner=None)
    await asyncio.sleep(10.5)  # the length of the freeze is what is tested
    frozen.resume()
    await frozen.wait_logged("attempt ended: fenced")


async def test_cancelled_job_is_stopped_within_five_seconds_and_its_objects_removed(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    async with room.bucket.connect() as client:
        await client.create_multipart_upload(
            Bucket=room.bucket.name, Key=room.folder(job, 1) + "x.zip"
        )
    await patch_status(room.api, job, phase="Cancelled")
    await runner_registry.stop(room.redis, "default", runner_id(), job.key)
    await runner.wait_logged("attempt ended: cancelled", within=5)
    assert await room.bucket.uploads(room.folder(job, 1)) == []
    assert (await read_job(room.api, job)).status.phase is Phase.CANCELLED
    assert runner.running


async def test_suspended_job_is_handed_back(room: Room, start_runner: StartRunner) -> None:
    start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await patch_spec(room.api, job, suspend=True)
    await runner_registry.stop(room.redis, "default", runner_id(), job.key)
    found = await eventually(
        "the job to be handed back",
        lambda: read_job(room.api, job),
        lambda seen: seen.status.runner is None,
    )
    assert found.status.phase is Phase.PROCESSING
    assert found.status.failures == ()


async def test_deleted_job_is_stopped(room: Room, start_runner: StartRunner) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await room.api.delete(JOBS, room.namespace, job.metadata.name)
    await runner_registry.stop(room.redis, "default", runner_id(), job.key)
    await runner.wait_logged("attempt ended: deleted")


async def test_second_sigterm_changes_nothing(room: Room, start_runner: StartRunner) -> None:
    runner = start_runner(WHERRY_STOP_GRACE_SECONDS="30", **delay(3))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    for _ in range(2):
        runner.send(signal.SIGTERM)
    assert await runner.wait_ended() == 0
    assert (await read_job(room.api, job)).status.phase is Phase.COMPLETED
