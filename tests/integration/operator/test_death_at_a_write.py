"""The operator dies at a write of a job's later life, or of a runner's: the end is the same.

The writes of a job's first minute are in :mod:`test_replicas_and_restarts`.
"""

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS, POOLS, ApiError
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.redis import job_queue, job_states
from wherry_core.resources import DownloadJob, Phase


def around(*writes: str) -> list[str]:
    """Return the points before and after each of ``writes``."""
    return [f"{side}-{write}" for write in writes for side in ("before", "after")]


async def dies_and_another_comes(operated: Operated) -> None:
    """Wait for the operator's death and start it again, to live on."""
    operator = operated.operator
    await eventually("the operator to die", lambda: not operator.running)
    operated.start_operator(WHERRY_FAULT_POINT="")


async def pods(operated: Operated) -> list[object]:
    return list(await operated.api.list_all("pods", operated.namespace))


@pytest.mark.parametrize("point", around("redis-forget-runner"))
async def test_a_runner_without_a_pod_is_dismissed(operated: Operated, point: str) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_FAULT_POINT=point)
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    old = operated.runner()
    await old.start()
    async with old.beating():
        await old.take()
        await operated.api.delete("pods", operated.namespace, old.name, grace_seconds=0)
        await dies_and_another_comes(operated)
        await eventually("it to be dismissed", lambda: old.orders.dismissed)
    new = operated.runner()
    await new.start()
    async with new.beating():
        await new.complete(await new.take())
        assert not new.orders.dismissed
    assert len(await pods(operated)) == 1


@pytest.mark.parametrize("point", around("redis-drain", "delete-pods"))
async def test_an_idle_runner_leaves(operated: Operated, point: str) -> None:
    await operated.create_pool(idleSeconds=1)
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
        if "drain" in point:
            await dies_and_another_comes(operated)
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
    await runner.leave()
    if "delete" in point:
        await dies_and_another_comes(operated)
    await runner.gone()
    assert (await jobs.read_job(operated.api, job)).status.phase is Phase.COMPLETED
    assert await pods(operated) == []


@pytest.mark.parametrize("point", around("redis-retire"))
async def test_a_busy_runner_of_an_old_template_ends_its_job_and_leaves(
    operated: Operated, point: str
) -> None:
    pool = await operated.create_pool(idleSeconds=1)
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        template = pool["spec"]["template"] | {"metadata": {"labels": {"release": "2"}}}
        body = {"spec": {"template": template}}
        await operated.api.patch(POOLS, operated.namespace, "default", body)
        await dies_and_another_comes(operated)
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
        assert runner.jobs == {job.key}
        await runner.complete(claimed)
    await runner.leave()
    await runner.gone()
    ended = await jobs.job_becomes(operated.api, job, Phase.COMPLETED)
    assert ended.status.attempt == 1


@pytest.mark.parametrize("point", around("redis-stop"))
async def test_a_cancelled_job_is_never_completed(operated: Operated, point: str) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        await jobs.patch_spec(operated.api, job, cancel=True)
        await dies_and_another_comes(operated)
        await jobs.job_becomes(operated.api, job, Phase.CANCELLED)
        await eventually("the runner to hear it", lambda: job.key in runner.orders.stop)
        with pytest.raises(ApiError, match="422"):
            await runner.complete(claimed)


@pytest.mark.parametrize("point", around("redis-remove"))
async def test_a_suspended_job_leaves_the_queue_until_it_is_resumed(
    operated: Operated, point: str
) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    await eventually("the job to wait", lambda: waiting(operated), lambda seen: seen == {job.key})
    await jobs.patch_spec(operated.api, job, suspend=True)
    await dies_and_another_comes(operated)
    await eventually("the queue to be empty", lambda: waiting(operated), lambda seen: not seen)
    await jobs.patch_spec(operated.api, job, suspend=False)
    async with runner.beating():
        await runner.complete(await runner.take())


async def waiting(operated: Operated) -> set[str]:
    return await job_queue.members(operated.redis, "default")


@pytest.mark.parametrize("point", around("store-remove", "redis-forget-job", "delete-downloadjobs"))
async def test_the_end_of_a_jobs_lifetime_leaves_nothing(operated: Operated, point: str) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], ttlSecondsAfterFinished=1)
    runner = operated.runner()
    await runner.start()
    folder = f"archives/{operated.namespace}/{job.metadata.uid}/"
    async with operated.bucket.connect() as store, runner.beating():
        claimed = await runner.take()
        await store.put_object(Bucket=operated.bucket.name, Key=f"{folder}1/a.zip", Body=b"zip")
        await runner.complete(claimed)
        await dies_and_another_comes(operated)
        await eventually(
            "the job to be gone", lambda: found(operated, job), lambda seen: seen is None
        )
    assert await operated.bucket.keys(folder) == []
    await eventually(
        "its state to be gone",
        lambda: job_states.read(operated.redis, operated.namespace, job.metadata.name),
        lambda seen: seen is None,
    )


async def found(operated: Operated, job: DownloadJob) -> object | None:
    return await operated.api.find(JOBS, operated.namespace, job.metadata.name)


@pytest.mark.parametrize("point", around("patch-events"))
async def test_an_event_that_is_counted_up(operated: Operated, point: str) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_FAULT_POINT=point)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    for suspend in (True, False, True):
        await jobs.patch_spec(operated.api, job, suspend=suspend)
        await becomes_suspended(operated, job, suspend)
    await dies_and_another_comes(operated)
    assert await occurrences(operated, "Suspended") == (2 if point.startswith("after") else 1)
    await jobs.patch_spec(operated.api, job, suspend=False)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())


async def becomes_suspended(operated: Operated, job: DownloadJob, wanted: bool) -> None:
    """Wait until the operator has taken in that a job is suspended, or no longer."""
    await eventually(
        "the condition",
        lambda: jobs.read_job(operated.api, job),
        lambda now: (
            {each.type: each.status == "True" for each in now.status.conditions}.get("Suspended")
            is wanted
        ),
    )


async def occurrences(operated: Operated, reason: str) -> int:
    """Return how often the one Event with this reason happened."""
    events = await operated.api.list_all("events.k8s.io/v1/events", operated.namespace)
    (event,) = [each for each in events if each["reason"] == reason]
    return int((event.get("series") or {}).get("count", 1))


@pytest.mark.parametrize("point", around("post-leases", "put-leases:2"))
async def test_the_lease_of_a_dead_operator_runs_out(operated: Operated, point: str) -> None:
    operated.environment |= {"WHERRY_LEADER_ELECTION": "true", "WHERRY_LEASE_SECONDS": "6"}
    await operated.create_pool()
    operated.start_operator(wait=False, WHERRY_FAULT_POINT=point)
    await dies_and_another_comes(operated)
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED, within=20)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
