"""The life of a job as in :mod:`test_life_of_a_job`, with an operator that dies at every decision.

It ends right after each write of a job's status and each start of a runner, and is restarted:
nothing that it decides may rest on what only the last one knew.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import jobs
from tests.harness.cluster import Cluster
from tests.harness.process_node import process_node
from tests.harness.waiting import eventually
from tests.integration.archive.faulty_proxy import FaultyProxy, faulty_proxy, is_part_upload
from tests.integration.operator import test_life_of_a_job as life
from tests.integration.operator.conftest import Operated
from tests.integration.operator.real_runners import prepare_real_runners
from wherry_core.resources import DownloadJob, Phase

WRITES = ("patch-downloadjobs/status", "patch-downloadjobs", "post-downloadjobs", "post-pods")

LIVES: list[Callable[[Operated], Awaitable[object]]] = [
    life.fail_until_dead_lettered_and_retry,
    life.test_a_failure_that_cannot_succeed_is_not_retried,
    life.test_a_job_handed_back_continues_at_once,
    life.test_suspend_and_resume_while_waiting_and_while_running,
    life.test_cancel_while_waiting_and_while_running,
    life.test_a_running_job_that_takes_longer_than_it_may_fails,
    life.test_a_deleted_pod_and_an_evicted_one_lose_no_job,
    life.test_used_up_memory_is_the_jobs_own_failure,
    life.test_an_unresponsive_runner_is_fenced_off_and_its_pod_deleted,
    life.fail_late_and_be_deleted,
    life.test_a_job_that_waits_for_its_pool_runs_once_it_is_there,
]

LARGE = {"large": bytes(12 << 20), "small": b"two"}
"""Files whose archive is uploaded in parts."""
DEADLINE_SECONDS = 15


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


async def keep_parts(request: web.Request, _: FaultyProxy) -> web.StreamResponse | None:
    """Never answer the upload of a part."""
    if is_part_upload(request):
        await asyncio.Event().wait()
    return None


@pytest.mark.parametrize(
    ("spec", "end"),
    [({}, Phase.CANCELLED), ({"activeDeadlineSeconds": DEADLINE_SECONDS}, Phase.FAILED)],
    ids=["cancelled", "deadline"],
)
async def test_a_runner_at_work_stops_and_its_upload_is_aborted(
    mortal: Operated, cluster: Cluster, tmp_path: Path, spec: dict[str, Any], end: Phase
) -> None:
    """The operator that ended the job has died, before or after it asked the runner to stop."""
    await mortal.bucket.put_files(LARGE)
    async with faulty_proxy(mortal.bucket.store.endpoint) as store:
        store.fault = keep_parts
        behind = {"WHERRY_S3_ENDPOINT_URL": store.address, "WHERRY_ARCHIVE_STORE_COPIES": "never"}
        await prepare_real_runners(mortal, variables=behind)
        mortal.start_operator(wait=False)
        async with process_node(mortal.api, cluster, tmp_path, [mortal.namespace]) as node:
            job = await jobs.create_job(mortal.api, mortal.namespace, list(LARGE), **spec)
            await eventually("an upload", lambda: left_of(mortal, job), within=60)
            (runner,) = node.running()
            if end is Phase.CANCELLED:
                await jobs.patch_spec(mortal.api, job, cancel=True)
            await jobs.job_becomes(mortal.api, job, end)
            await eventually("the upload to be aborted", lambda: left_of(mortal, job), empty)
            assert runner.running
            await eventually(
                "the runner to have stopped",
                lambda: f"attempt ended: {end_in_log(end)}" in runner.log_file.read_text(),
            )


def empty(left: list[str]) -> bool:
    return not left


def end_in_log(end: Phase) -> str:
    """Return how the runner's log names the end: a job that failed is not its own any more."""
    return "cancelled" if end is Phase.CANCELLED else "fenced"


async def left_of(operated: Operated, job: DownloadJob) -> list[str]:
    """Return the keys of a job's uploads and objects in the store."""
    folder = f"archives/{operated.namespace}/{job.metadata.uid}/"
    bucket = operated.bucket
    return [*await bucket.uploads(folder), *await bucket.keys(folder)]
