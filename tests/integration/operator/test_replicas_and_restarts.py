"""The operator may end at any point: another replica, or the restarted one, continues."""

import time

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS, POOLS
from tests.harness.processes import fetch
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.redis import job_queue
from wherry_core.resources import Phase
from wherry_core.resources.names import RETRY_ANNOTATION

POINTS = [
    "before-patch-downloadjobs/status",
    "after-patch-downloadjobs/status",
    "before-post-pods",
    "after-post-pods",
    "before-patch-runnerpools/status",
    "after-patch-runnerpools/status",
    "before-post-events",
    "after-post-events",
    "before-redis-enqueue",
    "after-redis-enqueue",
    "before-redis-publish",
    "after-redis-publish",
    "before-redis-mark",
    "after-redis-mark",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_job_survives_the_operators_death_at_every_write(
    operated: Operated, point: str
) -> None:
    await operated.create_pool()
    operator = operated.start_operator(wait=False, WHERRY_FAULT_POINT=point)
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    await eventually("the operator to die", lambda: not operator.running)
    operated.start_operator()
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
    pods = await operated.api.list_all("pods", operated.namespace)
    assert [pod["metadata"]["name"] for pod in pods] == [runner.name]


@pytest.mark.parametrize(
    "point",
    [
        "before-post-downloadjobs",
        "after-post-downloadjobs",
        "before-patch-downloadjobs",
        "after-patch-downloadjobs",
    ],
)
async def test_a_retry_is_made_once_whenever_the_operator_dies(
    operated: Operated, point: str
) -> None:
    operator = operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], queueTimeoutSeconds=1)
    await jobs.job_becomes(operated.api, job, Phase.FAILED)
    annotation = {"metadata": {"annotations": {RETRY_ANNOTATION: "now"}}}
    await operated.api.patch(JOBS, operated.namespace, job.metadata.name, annotation)
    await eventually("the operator to die", lambda: not operator.running)
    operated.start_operator()
    await eventually(
        "the request to be removed",
        lambda: jobs.read_job(operated.api, job),
        lambda found: RETRY_ANNOTATION not in found.metadata.annotations,
    )
    assert len(await operated.api.list_all(JOBS, operated.namespace)) == 2


@pytest.mark.parametrize("point", ["before-delete-downloadjobs", "after-delete-downloadjobs"])
async def test_a_job_is_deleted_whenever_the_operator_dies(operated: Operated, point: str) -> None:
    operator = operated.start_operator(WHERRY_FAULT_POINT=point)
    await jobs.create_job(
        operated.api, operated.namespace, ["1"], queueTimeoutSeconds=1, ttlSecondsAfterFinished=1
    )
    await eventually("the operator to die", lambda: not operator.running)
    operated.start_operator()
    await eventually(
        "the job to be gone",
        lambda: operated.api.list_all(JOBS, operated.namespace),
        lambda found: not found,
    )


async def test_another_replica_takes_over_from_a_dead_one(operated: Operated) -> None:
    operated.environment["WHERRY_LEADER_ELECTION"] = "true"
    await operated.create_pool(maxRunners=0)
    first, second = operated.start_operator(), operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    leaders = [each for each in (first, second) if "wherry_leader 1.0" in fetch(metrics_of(each))]
    assert len(leaders) == 1
    killed = time.monotonic()
    leaders[0].kill()
    other = await jobs.create_job(operated.api, operated.namespace, ["2"])
    await jobs.job_becomes(operated.api, other, Phase.QUEUED, within=20)
    print(f"takeover after {time.monotonic() - killed:.1f} s")
    await eventually(
        "both jobs to wait",
        lambda: job_queue.members(operated.redis, "default"),
        lambda members: members == {job.key, other.key},
    )


async def test_a_leader_that_ends_in_order_gives_the_lease_back(operated: Operated) -> None:
    operated.environment |= {"WHERRY_LEADER_ELECTION": "true", "WHERRY_LEASE_SECONDS": "60"}
    await operated.create_pool(maxRunners=0)
    first = operated.start_operator()
    await eventually("the first to lead", lambda: "wherry_leader 1.0" in fetch(metrics_of(first)))
    operated.start_operator()
    first.end()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED, within=20)


def metrics_of(operator: object) -> str:
    url: str = operator.ready_url  # type: ignore[attr-defined]
    return url.replace("/readyz", "/metrics")


async def test_what_a_watch_missed_is_found_by_the_sweep(operated: Operated) -> None:
    """A pod that was deleted while no operator ran only delays its job."""
    await operated.create_pool()
    operator = operated.start_operator(WHERRY_SWEEP_SECONDS="1")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    await runner.take()
    operator.kill()
    await operated.api.delete("pods", operated.namespace, runner.name, grace_seconds=0)
    operated.start_operator()
    queued = await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    assert queued.status.failures[-1].reason == "RunnerGone"


async def test_pools_status_and_scale_subresource(operated: Operated) -> None:
    await operated.create_pool(maxRunners=2, concurrency=1)
    operated.start_operator()
    for _ in range(3):
        await jobs.create_job(operated.api, operated.namespace, ["1"])
    pool = await eventually(
        "the pool's status",
        lambda: operated.api.get(POOLS, operated.namespace, "default"),
        lambda found: found.get("status", {}).get("runners") == 2,
    )
    assert pool["status"]["waitingJobs"] == 3
    assert pool["status"]["desiredRunners"] == 2
    limited = {each["type"]: each["status"] for each in pool["status"]["conditions"]}
    assert limited["ScalingLimited"] == "True"
    scale = {"spec": {"replicas": 3}}
    await operated.api.patch(POOLS, operated.namespace, "default", scale, sub="scale")
    await operated.runner("default-runner-2").pod()
