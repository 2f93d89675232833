"""A job that has waited for some time says why, until a runner claims it or it ends."""

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


def reported(job: DownloadJob) -> tuple[str, str]:
    found = waiting(job)
    return (found.status, found.reason) if found else ("", "")


async def waits_for(operated: Operated, job: DownloadJob, reason: str) -> DownloadJob:
    return await eventually(
        f"the job to wait for {reason}",
        lambda: jobs.read_job(operated.api, job),
        lambda found: reported(found) == ("True", reason),
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
        explained = await waits_for(operated, job, "PoolPaused")
        assert "kubectl patch rpool default" in (waiting(explained) or explained).model_dump_json()
        assert await why(operated, cluster, job) == "PoolPaused"
        await asyncio.sleep(2)
        still = await jobs.read_job(operated.api, job)
        assert still.metadata.resource_version == explained.metadata.resource_version
        await operated.api.patch(POOLS, operated.namespace, "default", {"spec": {"paused": False}})
        done = await jobs.job_becomes(operated.api, job, Phase.COMPLETED)
        assert reported(done) == ("False", "Claimed")
        assert await why(operated, cluster, job) == "ArchiveStored"


async def test_many_waiting_jobs_are_explained_once_each_and_then_nothing_is_written(
    operated: Operated, job_history: JobHistory
) -> None:
    await operated.create_pool(paused=True)
    operated.start_operator(WHERRY_EXPLAIN_AFTER_SECONDS=SOON)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(30)]
    for job in made:
        await waits_for(operated, job, "PoolPaused")
    await asyncio.sleep(3)
    for job in made:
        assert len(job_history.of(job)) == len(("created", "queued", "explained"))


async def test_what_ends_the_wait_ends_the_condition(operated: Operated, cluster: Cluster) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator(WHERRY_EXPLAIN_AFTER_SECONDS=SOON)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(2)]
    for job in made:
        await waits_for(operated, job, "MaxRunnersZero")
    suspended, cancelled = made
    await jobs.patch_spec(operated.api, suspended, suspend=True)
    await eventually(
        "the job to be suspended",
        lambda: jobs.read_job(operated.api, suspended),
        lambda found: reported(found) == ("False", "Suspended"),
    )
    assert await why(operated, cluster, suspended) == "SuspendRequested"
    await jobs.patch_spec(operated.api, cancelled, cancel=True)
    ended = await jobs.job_becomes(operated.api, cancelled, Phase.CANCELLED)
    assert reported(ended) == ("False", "Cancelled")
    await jobs.patch_spec(operated.api, suspended, cancel=True)
    ended = await jobs.job_becomes(operated.api, suspended, Phase.CANCELLED)
    assert {each.status for each in ended.status.conditions} == {"False"}
    assert await why(operated, cluster, suspended) == ""


async def test_a_missing_pool_is_reported_at_once_and_the_failure_is_shown(
    operated: Operated, cluster: Cluster
) -> None:
    operated.start_operator()
    job = await jobs.create_job(
        operated.api, operated.namespace, ["1"], pool="big", queueTimeoutSeconds=10
    )
    await waits_for(operated, job, "PoolNotFound")
    failed = await jobs.job_becomes(operated.api, job, Phase.FAILED)
    assert reported(failed) == ("False", "QueueTimeout")
    assert await why(operated, cluster, job) == "QueueTimeout"
