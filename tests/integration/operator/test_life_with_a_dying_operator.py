"""The life of a job as in :mod:`test_life_of_a_job`, with an operator that dies at every decision.

It ends right after each write of a job's status and each start of a runner, and is started anew:
nothing that it decides may rest on what only the last one knew. Left out are the two lives whose
point is what a dead operator does not do after the write: an Event, and asking a runner to stop.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.integration.operator import test_life_of_a_job as life
from tests.integration.operator.conftest import Operated

WRITES = ("patch-downloadjobs/status", "patch-downloadjobs", "post-downloadjobs", "post-pods")

LIVES: list[Callable[[Operated], Awaitable[object]]] = [
    life.fail_until_dead_lettered_and_retry,
    life.test_a_hopeless_failure_is_not_tried_again,
    life.test_a_job_handed_back_goes_on_at_once,
    life.test_suspend_and_resume_while_waiting_and_while_running,
    life.test_a_deleted_pod_and_an_evicted_one_lose_no_job,
    life.test_used_up_memory_is_the_jobs_own_failure,
    life.test_a_silent_runner_is_fenced_off_and_its_pod_deleted,
    life.fail_late_and_be_deleted,
    life.test_a_job_that_waits_for_its_pool_runs_once_it_is_there,
]


@pytest.fixture
async def mortal(operated: Operated) -> AsyncIterator[Operated]:
    """Everything for an operator that dies and is started again at once."""
    operated.environment["WHERRY_FAULT_POINT"] = ",".join(f"after-{write}" for write in WRITES)
    ends: list[int | None] = []

    async def start_again() -> None:
        while True:
            for process in operated.operators:
                if not process.running:
                    ends.append(process.exit_code)
                    process.start()
            await asyncio.sleep(0.05)

    keeper = asyncio.create_task(start_again())
    yield operated
    keeper.cancel()
    with suppress(asyncio.CancelledError):
        await keeper
    print(f"the operator died {len(ends)} times")
    assert ends
    assert set(ends) == {-signal.SIGKILL}


@pytest.mark.parametrize("lives", LIVES, ids=[each.__name__ for each in LIVES])
async def test_a_job_lives_on(
    mortal: Operated, lives: Callable[[Operated], Awaitable[object]]
) -> None:
    await lives(mortal)
