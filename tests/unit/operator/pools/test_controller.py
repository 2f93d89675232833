"""The pool controller: what it observes, and how many jobs it starts runners for."""

import pytest

from tests.unit.operator.builders import NOW, ahead, queued
from wherry_core.resources import DownloadJob
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.pools.controller import runnable_jobs
from wherry_operator.reconciler import WorkQueue


def view(name: str, seen: DownloadJob) -> JobView:
    metadata = seen.metadata.model_copy(update={"name": name, "uid": name})
    return JobView(job=seen.model_copy(update={"metadata": metadata}), files=1)


def runnable(jobs: list[DownloadJob], limit: int) -> int:
    """Return how many of ``jobs`` of one tenant count as demand, ingested in this order."""
    cache, tenant_limit = ClusterCache(), TenantLimit(limit, WorkQueue("job"))
    for number, seen in enumerate(jobs):
        cache.put_job(view(str(number), seen))
        tenant_limit.update(view(str(number), seen), wants_work=not seen.spec.suspend)
    listed = cache.jobs_of("default")
    held = tenant_limit.held_of(listed.queued)
    doubtful = [cache.jobs[key] for key in listed.parked | held]
    return runnable_jobs(len(listed.queued), doubtful, held, NOW)


BACKOFF = queued(next_attempt_time=ahead(5), attempt=2)


@pytest.mark.parametrize(
    ("jobs", "limit", "expected"),
    [
        ([queued(), queued()], 0, 2),
        ([queued(), queued(), queued()], 1, 1),
        ([queued(), BACKOFF], 0, 1),
        ([queued(), queued(spec={"suspend": True})], 0, 1),
        # In this order after a restart: the job in backoff is held as well.
        ([queued(), BACKOFF], 1, 1),
        ([queued(), BACKOFF, BACKOFF, BACKOFF], 1, 1),
        ([BACKOFF, queued()], 1, 0),
    ],
)
def test_a_job_counts_as_demand_when_it_could_run_now(
    jobs: list[DownloadJob], limit: int, expected: int
) -> None:
    assert runnable(jobs, limit) == expected
