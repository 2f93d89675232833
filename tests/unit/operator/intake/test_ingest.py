"""What comes in from the cluster reaches the cache and the queues; one bad object only itself."""

from typing import Any

import pytest

from tests.unit.operator.observing import Observer, keys, raw_job, raw_pod, raw_pool
from wherry_operator.intake.cache import Kind

NEWER = {"fileIDs": ["1"], "onMissing": "Ask"}
"""A spec with a value of a newer CRD."""


async def test_a_new_job_is_requeued_with_its_pool() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    assert "tenant/job" in seen.cache.jobs
    assert (await keys(seen.jobs), await keys(seen.pools)) == (["tenant/job"], ["default"])


async def test_an_old_version_changes_nothing() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job(version="9"))
    await keys(seen.jobs)
    seen.intake.ingest(Kind.JOB, raw_job(version="8", spec={"fileIDs": ["1"], "cancel": True}))
    assert not seen.cache.jobs["tenant/job"].job.spec.cancel
    assert seen.jobs.idle


async def test_a_change_that_does_not_concern_scaling_leaves_the_pool_alone() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    await keys(seen.pools)
    seen.intake.ingest(Kind.JOB, raw_job(version="8", status={"progress": 5}))
    assert seen.pools.idle
    seen.intake.ingest(Kind.JOB, raw_job(version="9", status={"phase": "Queued"}))
    assert await keys(seen.pools) == ["default"]


async def test_a_pool_of_another_namespace_is_ignored() -> None:
    seen = Observer()
    other = raw_pool()
    other["metadata"]["namespace"] = "elsewhere"
    seen.intake.ingest(Kind.POOL, other)
    assert seen.cache.pools == {}


async def test_jobs_that_wait_for_a_pool_are_requeued_when_it_comes_and_goes() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    for deleted in (False, True):
        await keys(seen.jobs)
        seen.intake.ingest(Kind.POOL, raw_pool(), deleted=deleted)
        assert await keys(seen.jobs) == ["tenant/job"]


@pytest.mark.parametrize("how", ["ended", "deleted"])
async def test_the_jobs_of_a_runner_that_is_gone_are_requeued(how: str) -> None:
    seen = Observer()
    seen.intake.ingest(Kind.POD, raw_pod())
    running = {"phase": "Processing", "runner": "default-runner-0"}
    seen.intake.ingest(Kind.JOB, raw_job(status=running))
    await keys(seen.jobs)
    phase = "Failed" if how == "ended" else "Running"
    seen.intake.ingest(Kind.POD, raw_pod(version="8", phase=phase), deleted=how == "deleted")
    assert await keys(seen.jobs) == ["tenant/job"]


async def test_everything_of_a_deleted_job_is_deleted() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    seen.intake.ingest(Kind.JOB, raw_job(), deleted=True)
    assert seen.cache.jobs == {}
    assert await keys(seen.deleted_jobs.queue) == ["uid-of-job"]


async def test_what_a_job_left_is_deleted_when_its_namesake_is_seen_before_its_deletion() -> None:
    seen = Observer()
    old = raw_job(status={"phase": "Completed", "startTime": "2030-01-02T03:00:00Z"})
    new = raw_job(version="9")
    new["metadata"]["uid"] = "another"
    seen.intake.ingest(Kind.JOB, old)
    seen.intake.ingest(Kind.JOB, new)
    seen.intake.ingest(Kind.JOB, old, deleted=True)
    assert seen.cache.jobs["tenant/job"].uid == "another"
    assert await keys(seen.deleted_jobs.queue) == ["uid-of-job"]


@pytest.mark.parametrize(
    ("kind", "key", "raw"),
    [
        (Kind.JOB, "tenant/job", raw_job(spec=NEWER)),
        (Kind.JOB, "tenant/job", raw_job(spec={"fileIDs": [["1"]]})),
        (Kind.JOB, "tenant/job", raw_job(spec="a word")),
        (Kind.JOB, "tenant/job", raw_job(status={"phase": "Sleeping"})),
        (Kind.POOL, "default", raw_pool(concurrency="many")),
        (Kind.POOL, "default", raw_pool(template=None)),
        (Kind.POD, "default-runner-0", raw_pod(conditions=[{"status": "True"}])),
        (Kind.POD, "default-runner-0", raw_pod(containerStatuses={"runner": 1})),
    ],
)
async def test_an_unreadable_object_is_known_but_has_no_view(
    kind: Kind, key: str, raw: dict[str, Any]
) -> None:
    seen = Observer()
    seen.intake.ingest(kind, raw)
    assert seen.cache.is_unreadable(kind, key)
    assert (seen.cache.jobs, seen.cache.pools, seen.cache.pods) == ({}, {}, {})
    assert seen.cache.versions(kind)[key].resource_version == "7"
    reported = [] if kind is Kind.POD else [f"{kind}:{key}"]
    assert await keys(seen.unreadable.queue) == reported


async def test_an_object_that_becomes_unreadable_loses_its_view_and_gets_it_back() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.POOL, raw_pool())
    seen.intake.ingest(Kind.JOB, raw_job())
    seen.intake.ingest(Kind.JOB, raw_job(version="8", spec=NEWER))
    assert (seen.cache.jobs, seen.cache.jobs_of("default").queued) == ({}, set())
    seen.intake.ingest(Kind.JOB, raw_job(version="7"))
    assert seen.cache.jobs == {}, "an older version must not bring the view back"
    await keys(seen.unreadable.queue)
    seen.intake.ingest(Kind.JOB, raw_job(version="9"))
    assert seen.cache.jobs_of("default").queued == {"tenant/job"}
    assert not seen.cache.is_unreadable(Kind.JOB, "tenant/job")
    assert await keys(seen.unreadable.queue) == ["job:tenant/job"], "its condition is stale"
    assert seen.deleted_jobs.queue.idle, "it was never deleted"


async def test_a_deleted_unreadable_job_is_looked_for_in_redis() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job(spec=NEWER))
    seen.intake.ingest(Kind.JOB, raw_job(spec=NEWER), deleted=True)
    assert not seen.cache.is_unreadable(Kind.JOB, "tenant/job")
    assert seen.deleted_jobs._scan_due.is_set()


async def test_taking_over_requeues_everything_that_is_known() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    seen.intake.ingest(Kind.JOB, raw_job("bad", spec=NEWER))
    seen.intake.ingest(Kind.POOL, raw_pool())
    for queue in (seen.jobs, seen.pools, seen.unreadable.queue):
        await keys(queue)
    seen.intake.requeue_everything()
    assert await keys(seen.jobs) == ["tenant/job"]
    assert await keys(seen.pools) == ["default"]
    assert await keys(seen.unreadable.queue) == ["job:tenant/bad"]


async def test_an_object_corrected_while_no_operator_acted_is_checked_at_take_over() -> None:
    seen = Observer()
    stale = {"type": "Readable", "status": "False", "reason": "UnknownValue"}
    status = {"conditions": [{**stale, "lastTransitionTime": "2030-01-02T03:00:00Z"}]}
    seen.intake.ingest(Kind.JOB, raw_job(status=status))
    seen.intake.ingest(Kind.POOL, {**raw_pool(), "status": status})
    await keys(seen.unreadable.queue)
    seen.intake.requeue_everything()
    assert await keys(seen.unreadable.queue) == ["job:tenant/job", "pool:default"]


async def test_a_pod_that_replaces_one_of_its_name_requeues_the_jobs_of_the_old_one() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.POD, raw_pod())
    running = {"phase": "Processing", "runner": "default-runner-0"}
    seen.intake.ingest(Kind.JOB, raw_job(status=running))
    await keys(seen.jobs)
    new = raw_pod(version="8")
    new["metadata"]["uid"] = "another"
    seen.intake.ingest(Kind.POD, new)
    assert await keys(seen.jobs) == ["tenant/job"]
