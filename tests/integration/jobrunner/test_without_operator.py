"""Orders reach a runner without an operator; with one, the runner does not read its jobs.

The tests play the operator: its mark in Redis lives for three seconds after each refresh.
"""

import asyncio
import time

import pytest

from tests.harness.api import JOBS
from tests.harness.jobs import job_becomes, patch_spec, read_job
from tests.harness.processes import ComponentProcess, fetch
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay
from wherry_core.redis import job_states, runner_registry
from wherry_core.resources import Phase

WITHIN_SECONDS = 5.0


def reads(runner: ComponentProcess) -> float:
    """Return how often the runner has read a job from the API server."""
    page = fetch(runner.ready_url.replace("/readyz", "/metrics"))
    labels = 'code="200",resource="downloadjobs",verb="GET"'
    line = next(each for each in page.splitlines() if labels in each)
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("order", ["cancel", "delete"])
async def test_a_cancel_or_a_deletion_reaches_the_runner_as_soon_as_the_operator_is_killed(
    order: str, room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    for _ in range(12):
        await runner_registry.refresh_operator_mark(room.redis, ["default"])
        await asyncio.sleep(0.25)
    # The worst moment: the operator dies just after a refresh, and the order comes at once.
    await runner_registry.refresh_operator_mark(room.redis, ["default"])
    began = time.monotonic()
    if order == "cancel":
        await patch_spec(room.api, job, cancel=True)
        await runner.wait_logged("attempt ended: cancelled", within=WITHIN_SECONDS)
    else:
        await room.api.delete(JOBS, room.namespace, job.metadata.name)
        await runner.wait_logged("attempt ended: deleted", within=WITHIN_SECONDS)
    assert time.monotonic() - began < WITHIN_SECONDS


async def test_a_suspended_job_is_handed_back_without_an_operator(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await patch_spec(room.api, job, suspend=True)
    await runner.wait_logged("attempt ended: handed_back", within=WITHIN_SECONDS)
    found = await read_job(room.api, job)
    assert (found.status.runner, found.status.runner_uid) == (None, None)


async def test_a_living_operator_costs_the_api_server_no_reads(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    await runner_registry.refresh_operator_mark(room.redis, ["default"])
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    before = 0.0
    for number in range(24):
        await runner_registry.refresh_operator_mark(room.redis, ["default"])
        await asyncio.sleep(0.5)
        if number == 4:
            before = reads(runner)
    assert reads(runner) == before
    await eventually(
        "reads once the operator is gone", lambda: reads(runner), lambda now: now > before
    )


async def test_the_state_of_a_deleted_job_does_not_come_back(
    room: Room, start_runner: StartRunner
) -> None:
    """The operator deletes the state; the runner learns of the deletion later, and publishes."""
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    namespace, name = room.namespace, job.metadata.name
    await eventually(
        "the runner's progress",
        lambda: job_states.read(room.redis, namespace, name),
        lambda found: found is not None and found.step >= 2,
    )
    await room.api.delete(JOBS, namespace, name)
    assert await job_states.delete(room.redis, namespace, name, job.metadata.uid)
    # The runner publishes every second of its delay until it stops, at the latest after 5 s.
    end = time.monotonic() + 8
    while time.monotonic() < end:
        assert await job_states.read(room.redis, namespace, name) is None
        await asyncio.sleep(0.1)
    await runner.wait_logged("attempt ended: deleted")


async def test_without_an_operator_the_runner_itself_removes_the_state_of_a_deleted_job(
    room: Room, start_runner: StartRunner
) -> None:
    runner = start_runner(**delay(300))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await room.api.delete(JOBS, room.namespace, job.metadata.name)
    await runner.wait_logged("attempt ended: deleted", within=WITHIN_SECONDS)
    assert await job_states.read(room.redis, room.namespace, job.metadata.name) is None
