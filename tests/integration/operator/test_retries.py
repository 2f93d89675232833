"""Retries by annotation: one new job, also where the API server refuses it for a time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS, Resource
from tests.harness.waiting import eventually, never
from tests.integration.operator.conftest import Operated
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.base import format_time
from wherry_core.resources.names import RETRY_ANNOTATION, RETRY_OF_LABEL
from wherry_core.resources.retried_job import retried_job_name

EVENTS = "events.k8s.io/v1/events"
ASKED = {"metadata": {"annotations": {RETRY_ANNOTATION: "now"}}}
QUOTA = "count/downloadjobs.wherry.dev"


async def ended_job(
    operated: Operated, phase: Phase, *, name: str = "", labels: Resource | None = None, **spec: Any
) -> DownloadJob:
    """Return a job that has ended in ``phase``, with no runner involved."""
    body = jobs.job_body(["1", "2"], name, **spec)
    body["metadata"]["labels"] = labels or {}
    made = DownloadJob.model_validate(await operated.api.create(JOBS, operated.namespace, body))
    await jobs.job_becomes(operated.api, made, Phase.QUEUED)
    if phase is Phase.CANCELLED:
        await jobs.patch_spec(operated.api, made, cancel=True)
    else:
        await jobs.patch_status(
            operated.api, made, phase=phase.value, completionTime=format_time(datetime.now(UTC))
        )
    return await jobs.job_becomes(operated.api, made, phase)


async def ask(operated: Operated, job: DownloadJob) -> None:
    await operated.api.patch(JOBS, operated.namespace, job.metadata.name, ASKED)


async def request_is_removed(operated: Operated, job: DownloadJob) -> None:
    await eventually(
        "the annotation to be removed",
        lambda: jobs.read_job(operated.api, job),
        lambda found: RETRY_ANNOTATION not in found.metadata.annotations,
    )


async def events_of(operated: Operated, job: DownloadJob, reason: str) -> list[Resource]:
    found = await operated.api.list_all(EVENTS, operated.namespace)
    return [
        each
        for each in found
        if each["reason"] == reason and each["regarding"]["uid"] == job.metadata.uid
    ]


async def names(operated: Operated) -> set[str]:
    return {
        each["metadata"]["name"] for each in await operated.api.list_all(JOBS, operated.namespace)
    }


@pytest.mark.parametrize("name", ["failed", "a" * 62 + "-b.c", "a.b-" + "c" * 100])
async def test_a_retry_is_one_job_with_the_name_that_the_api_gives_it(
    operated: Operated, name: str
) -> None:
    """However often it is asked for, and whatever a label's 63 characters would end with."""
    operated.start_operator()
    job = await ended_job(
        operated, Phase.CANCELLED, name=name, labels={"team": "red"}, priority=7, pool="big"
    )
    for _ in range(2):
        await ask(operated, job)
        await request_is_removed(operated, job)
    new = retried_job_name(job.metadata.uid)
    assert await names(operated) == {name, new}
    retried = DownloadJob.model_validate(await operated.api.get(JOBS, operated.namespace, new))
    assert retried.spec == job.spec.model_copy(update={"cancel": False})
    assert retried.metadata.labels["team"] == "red"
    assert name.startswith(retried.metadata.labels[RETRY_OF_LABEL])
    events = await eventually("the Event", lambda: events_of(operated, job, "Retried"))
    assert new in events[0]["note"]


async def test_a_retry_of_a_completed_job_is_declined_with_one_event(operated: Operated) -> None:
    operated.start_operator()
    job = await ended_job(operated, Phase.COMPLETED)
    await ask(operated, job)
    await request_is_removed(operated, job)
    events = await eventually("the Event", lambda: events_of(operated, job, "RetryRefused"))
    assert "only a failed or cancelled job can be retried" in events[0]["note"]
    assert await names(operated) == {job.metadata.name}
    assert len(await events_of(operated, job, "RetryRefused")) == 1


async def allow_jobs(operated: Operated, number: int) -> None:
    """Set the namespace's quota, as an admin and the controller manager do."""
    hard = {"hard": {QUOTA: str(number)}}
    if not await operated.api.find("resourcequotas", operated.namespace, "jobs"):
        body = {"metadata": {"name": "jobs"}, "spec": hard}
        await operated.api.create("resourcequotas", operated.namespace, body)
    else:
        await operated.api.patch("resourcequotas", operated.namespace, "jobs", {"spec": hard})
    status = {"status": {**hard, "used": {QUOTA: "1"}}}
    await operated.api.patch("resourcequotas", operated.namespace, "jobs", status, sub="status")


async def test_a_refused_retry_is_reported_and_the_job_still_expires(operated: Operated) -> None:
    operated.start_operator()
    job = await ended_job(operated, Phase.CANCELLED)
    await allow_jobs(operated, 1)
    await ask(operated, job)
    events = await eventually("the Event", lambda: events_of(operated, job, "RetryRefused"))
    assert "exceeded quota" in events[0]["note"]
    assert RETRY_ANNOTATION in (await jobs.read_job(operated.api, job)).metadata.annotations
    await never("a second try at once", lambda: repeated(operated, job), during=3)
    await jobs.patch_spec(operated.api, job, ttlSecondsAfterFinished=1)
    await eventually(
        "the job to expire",
        lambda: operated.api.find(JOBS, operated.namespace, job.metadata.name),
        lambda found: found is None,
    )


async def repeated(operated: Operated, job: DownloadJob) -> bool:
    events = await events_of(operated, job, "RetryRefused")
    return len(events) > 1 or any("series" in each for each in events)
