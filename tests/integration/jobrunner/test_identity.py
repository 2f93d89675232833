"""A runner is its pod: a dismissed runner, or one with a namesake, can change nothing."""

import asyncio

from tests.harness.jobs import create_job, job_becomes, patch_status, queue_job, read_job
from tests.harness.processes import fetch
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import ME, Room, StartRunner, delay, runner_id
from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import Phase


async def test_the_claim_names_the_pod_by_its_uid(room: Room, start_runner: StartRunner) -> None:
    start_runner()
    done = await job_becomes(room.api, await room.queue(), Phase.COMPLETED)
    assert (done.status.runner, done.status.runner_uid) == (ME, runner_id().uid)


async def test_a_dismissed_runner_stops_its_job_takes_no_other_and_leaves(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    claimed = await job_becomes(room.api, job, Phase.PROCESSING)
    await runner_registry.dismiss(room.redis, "default", runner_id())
    other = await room.queue()
    await runner.wait_logged("attempt ended: fenced")
    assert await runner.wait_ended() == 0
    # It has written nothing, because the operator gives the job to another runner.
    assert (await read_job(room.api, job)).status == claimed.status
    assert await job_queue.members(room.redis, "default") == {other.key}


async def test_a_dismissed_runner_begins_nothing(room: Room, start_runner: StartRunner) -> None:
    await runner_registry.dismiss(room.redis, "default", runner_id())
    job = await room.queue()
    runner = start_runner(wait=False)
    assert await runner.wait_ended() == 0
    assert (await read_job(room.api, job)).status.phase is Phase.QUEUED
    assert await job_queue.members(room.redis, "default") == {job.key}


async def test_the_next_pod_of_the_name_is_not_affected(
    room: Room, start_runner: StartRunner
) -> None:
    await runner_registry.dismiss(room.redis, "default", RunnerId(ME, "uid of an earlier pod"))
    await runner_registry.retire(room.redis, "default", RunnerId(ME, "uid of an earlier pod"))
    start_runner()
    await job_becomes(room.api, await room.queue(), Phase.COMPLETED)


async def test_a_runner_cannot_complete_the_attempt_of_its_namesake(
    room: Room, start_runner: StartRunner
) -> None:
    """Force-deleted pods: the old process still works when the new pod of its name has the job."""
    runner = start_runner(**delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    # As the new pod's claim looks: the same name and, as nothing else shows it, the same attempt.
    taken = await patch_status(room.api, job, runnerUID="uid of the new pod")
    await runner.wait_logged("attempt ended: fenced")
    assert (await read_job(room.api, job)).status == taken.status


async def test_a_retired_runner_does_not_begin_a_job_that_it_pops(
    room: Room, start_runner: StartRunner
) -> None:
    """An old runner takes no job after the template of its pool has changed."""
    runner = start_runner()
    await eventually(
        "a heartbeat",
        lambda: runner_registry.living(room.redis, "default"),
        lambda living: runner_id() in living,
    )
    await runner_registry.retire(room.redis, "default", runner_id())
    job = await create_job(room.api, room.namespace, ["1", "2"])
    await queue_job(room.api, room.redis, job)
    assert await runner.wait_ended() == 0
    assert (await read_job(room.api, job)).status.phase is Phase.QUEUED
    assert await job_queue.members(room.redis, "default") == {job.key}


async def test_a_job_that_is_popped_twice_in_a_row_is_claimed_once(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await job_queue.enqueue(room.redis, "default", job.key, 0)
    await job_becomes(room.api, job, Phase.COMPLETED)
    url = runner.ready_url.replace("/readyz", "/metrics")
    await eventually(
        "the second pop to be dropped",
        lambda: asyncio.to_thread(fetch, url),
        lambda page: 'wherry_runner_claims_total{result="not_queued"} 1.0' in page,
    )
