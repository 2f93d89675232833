"""A job that waits for long says why, until a runner claims it or it ends."""

import asyncio
from pathlib import Path

from tests.harness import jobs
from tests.harness.api import POOLS
from tests.harness.cluster import Cluster
from tests.harness.history import JobHistory
from tests.harness.process_node import process_node
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from tests.integration.operator.real_runners import FILES, prepare_real_runners
from wherry_core.resources import Condition, DownloadJob, Phase

SOON = "1"


def waiting(job: DownloadJob) -> Condition | None:
    return next((each for each in job.status.conditions if each.type == "Waiting"), None)


def tells(job: DownloadJob) -> tuple[str, str]:
    found = waiting(job)
    return (found.status, found.reason) if found else ("", "")


async def it_tells(operated: Operated, job: DownloadJob, reason: str) -> DownloadJob:
    return await eventually(
        f"the job to wait for {reason}",
        lambda: jobs.read_job(operated.api, job),
        lambda found: tells(found) == ("True", reason),
    )


async def why(operated: Operated, cluster: Cluster, job: DownloadJob) -> str:
    """Return the column WHY of ``kubectl get dlj``."""
    words = ("get", "dlj", job.metadata.name, "-n", operated.namespace)
    titles, row = (await asyncio.to_thread(cluster.kubectl, *words)).rstrip("\n").split("\n")
    start = titles.index("WHY")
    return row[start : titles.index("AGE")].strip()


async def test_a_job_in_a_paused_pool_says_so_until_a_runner_claims_it(
    operated: Operated, cluster: Cluster, tmp_path: Path
) -> None:
    await prepare_real_runners(operated, paused=True)
    operated.start_operator(WHERRY_EXPLAIN_AFTER_SECONDS=SOON)
    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]):
        job = await jobs.create_job(operated.api, operated.namespace, list(FILES))
        told = await it_tells(operated, job, "PoolPaused")
        assert "kubectl patch rpool default" in (waiting(told) or told).model_dump_json()
        assert await why(operated, cluster, job) == "PoolPaused"
        await asyncio.sleep(2)
        still = await jobs.read_job(operated.api, job)
        assert still.metadata.resource_version == told.metadata.resource_version
        await operated.api.patch(POOLS, operated.namespace, "default", {"spec": {"paused": False}})
        done = await jobs.job_becomes(operated.api, job, Phase.COMPLETED)
        assert tells(done) == ("False", "Claimed")
        assert await why(operated, cluster, job) == "ArchiveStored"


async def test_many_waiting_jobs_are_told_once_each_and_then_all_is_quiet(
    operated: Operated, job_history: JobHistory
) -> None:
    await operated.create_pool(paused=True)
    operated.start_operator(WHERRY_EXPLAIN_AFTER_SECONDS=SOON)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(30)]
    for job in made:
        await it_tells(operated, job, "PoolPaused")
    await asyncio.sleep(3)
    for job in made:
        assert len(job_history.of(job)) == len(("created", "queued", "told"))


async def test_what_ends_the_wait_ends_what_it_says(operated: Operated, cluster: Cluster) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator(WHERRY_EXPLAIN_AFTER_SECONDS=SOON)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(2)]
    for job in made:
        await it_tells(operated, job, "MaxRunnersZero")
    suspended, cancelled = made
    await jobs.patch_spec(operated.api, suspended, suspend=True)
    await eventually(
        "the job to be suspended",
        lambda: jobs.read_job(operated.api, suspended),
        lambda found: tells(found) == ("False", "Suspended"),
    )
    assert await why(operated, cluster, suspended) == "SuspendRequested"
    await jobs.patch_spec(operated.api, cancelled, cancel=True)
    ended = await jobs.job_becomes(operated.api, cancelled, Phase.CANCELLED)
    assert tells(ended) == ("False", "Cancelled")
    await jobs.patch_spec(operated.api, suspended, cancel=True)
    ended = await jobs.job_becomes(operated.api, suspended, Phase.CANCELLED)
    assert {each.status for each in ended.status.conditions} == {"False"}
    assert await why(operated, cluster, suspended) == ""


async def test_a_missing_pool_is_told_at_once_and_failure_is_shown(
    operated: Operated, cluster: Cluster
) -> None:
    operated.start_operator()
    job = await jobs.create_job(
        operated.api, operated.namespace, ["1"], pool="big", queueTimeoutSeconds=10
    )
    await it_tells(operated, job, "PoolNotFound")
    failed = await jobs.job_becomes(operated.api, job, Phase.FAILED)
    assert tells(failed) == ("False", "QueueTimeout")
    assert await why(operated, cluster, job) == "QueueTimeout"
