"""A job that completes while no operator is alive is announced once, by the next one."""

import pytest

from tests.harness import jobs
from tests.harness.processes import fetch
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.job_snapshot import JobStatus
from wherry_core.redis import job_states
from wherry_core.resources import Phase

COUNT = 'wherry_jobs_ended_total{phase="Completed",reason="Completed"}'


async def completed_events(operated: Operated) -> int:
    """Return how often the Events say that a job has completed."""
    events = await operated.api.list_all("events.k8s.io/v1/events", operated.namespace)
    found = [each for each in events if each["reason"] == "Completed"]
    return sum(int((each.get("series") or {}).get("count", 1)) for each in found)


def counted(operated: Operated) -> float:
    """Return how many completions the running operator has counted."""
    page = fetch(operated.operator.ready_url.replace("/readyz", "/metrics"))
    found = [line for line in page.splitlines() if line.startswith(COUNT)]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.mark.parametrize("election", ["true", "false"], ids=["with a lease", "without"])
async def test_a_completion_without_an_operator_is_announced_once(
    operated: Operated, election: str
) -> None:
    operated.environment |= {"WHERRY_LEADER_ELECTION": election, "WHERRY_LEASE_SECONDS": "6"}
    await operated.create_pool()
    operator = operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    folder = f"archives/{operated.namespace}/{job.metadata.uid}/"
    leftover, archive = f"{folder}1/a.zip", f"{folder}2/a.zip"
    async with operated.bucket.connect() as store, runner.beating():
        await runner.fail(await runner.take())
        second = await runner.take()
        for key in (leftover, archive):
            await store.put_object(Bucket=operated.bucket.name, Key=key, Body=b"zip")
        operator.kill()
        await runner.complete(second)

        operated.start_operator()
        await eventually(
            "the Event", lambda: completed_events(operated), lambda n: n == 1, within=30
        )
        await eventually("the metric", lambda: counted(operated) == 1)
        await eventually(
            "the clean-up", lambda: operated.bucket.keys(folder), lambda seen: seen == [archive]
        )
        state = await job_states.read(operated.redis, operated.namespace, job.metadata.name)
        assert state is not None
        assert state.status is JobStatus.COMPLETED

        for _ in range(2):
            operated.operator.kill()
            operated.start_operator()
            # What comes later has been announced, and so would have been what came before.
            other = await jobs.create_job(operated.api, operated.namespace, ["1"])
            await runner.complete(await runner.take())
            await jobs.job_becomes(operated.api, other, Phase.COMPLETED)
            await eventually(
                "only the new one to be counted", lambda: counted(operated) == 1, within=30
            )
    assert await completed_events(operated) == 3
    assert await operated.bucket.keys(folder) == [archive]
