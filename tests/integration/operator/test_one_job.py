"""One job from its creation to the pool's return to zero."""

from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.job_snapshot import JobStatus
from wherry_core.redis import job_queue, job_states
from wherry_core.resources import Phase


async def test_a_job_is_queued_run_and_the_pool_returns_to_zero(operated: Operated) -> None:
    await operated.create_pool(idleSeconds=1)
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1", "2", "2"])
    queued = await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    assert (queued.status.attempt, queued.status.files.total) == (1, 2)
    assert queued.status.observed_generation == 1

    runner = operated.runner()
    pod = await runner.pod()
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "RunnerPool"
    assert pod["spec"]["restartPolicy"] == "Never"
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        assert claimed.key == job.key
        await runner.complete(claimed)
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
    await runner.leave()
    await runner.gone()

    done = await operated.api.get(JOBS, operated.namespace, job.metadata.name)
    assert done["status"]["phase"] == "Completed"
    assert "finalizers" not in done["metadata"]
    assert "annotations" not in done["metadata"]
    assert await job_queue.length(operated.redis, "default") == 0
    snapshot = await eventually(
        "the snapshot of the end",
        lambda: job_states.read(operated.redis, operated.namespace, job.metadata.name),
    )
    assert snapshot is not None
    assert snapshot.status is JobStatus.COMPLETED
