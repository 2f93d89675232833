"""The sweep finds what the watches missed; the first load waits for nothing that will not come."""

import asyncio
import time

import pytest

from tests.harness.waiting import eventually
from tests.unit.operator.observing import NAMESPACE, Observer, keys, raw_job, raw_pod, raw_pool
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError, UnavailableError
from wherry_core.kubernetes.paths import jobs_path, pods_path, pools_path
from wherry_operator.intake import cache_sweep
from wherry_operator.intake.cache import Kind
from wherry_operator.intake.cache_sweep import CacheSweep

JOB = jobs_path("tenant", "job")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_SECONDS", "STALL_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(cache_sweep, name, 0.1)


def sweep_of(seen: Observer) -> CacheSweep:
    return CacheSweep(
        seen.server.client, seen.cache, seen.intake, namespace=NAMESPACE, tenants=("tenant",)
    )


async def test_the_first_load_waits_for_the_watches() -> None:
    seen = Observer()
    stored = seen.server.put(JOB, raw_job())
    loading = asyncio.create_task(sweep_of(seen).wait_loaded())
    await asyncio.sleep(0.06)
    assert not loading.done()
    seen.intake.ingest(Kind.JOB, stored)
    await asyncio.wait_for(loading, 1)
    assert ("GET", JOB) not in seen.server.requests


@pytest.mark.parametrize(
    ("kind", "path", "raw"),
    [
        (Kind.JOB, JOB, raw_job(spec={"fileIDs": ["1"], "onMissing": "Ask"})),
        (Kind.POOL, pools_path(NAMESPACE, "default"), raw_pool(concurrency="many")),
        (Kind.POD, pods_path(NAMESPACE, "p"), raw_pod(conditions=[{"status": "x"}])),
    ],
)
@pytest.mark.parametrize("seen_by_the_watch", [True, False])
async def test_an_unreadable_object_does_not_delay_the_first_load(
    kind: Kind, path: str, raw: dict[str, object], seen_by_the_watch: bool
) -> None:
    seen = Observer()
    stored = seen.server.put(path, raw)
    if seen_by_the_watch:
        seen.intake.ingest(kind, stored)
    started = time.monotonic()
    await asyncio.wait_for(sweep_of(seen).wait_loaded(), 5)
    assert time.monotonic() - started < (0.05 if seen_by_the_watch else 1)


async def test_an_object_deleted_during_the_first_load_does_not_delay_it() -> None:
    seen = Observer()
    seen.server.put(JOB, raw_job())
    kept = seen.server.put(jobs_path("tenant", "kept"), raw_job("kept"))
    loading = asyncio.create_task(sweep_of(seen).wait_loaded())
    await eventually("the listing", lambda: ("LIST", jobs_path("tenant")) in seen.server.requests)
    del seen.server.objects[JOB]
    seen.intake.ingest(Kind.JOB, kept)
    await asyncio.wait_for(loading, 1)
    assert seen.cache.jobs.keys() == {"tenant/kept"}


async def test_the_first_load_outlasts_an_api_server_that_is_unavailable() -> None:
    seen = Observer()
    seen.server.put(JOB, raw_job())
    failures = iter([True] * 6)

    def fail(method: str, path: str) -> KubernetesError | None:
        return UnavailableError(503, "", "starting") if next(failures, False) else None

    seen.server.fail = fail
    await asyncio.wait_for(sweep_of(seen).wait_loaded(), 5)
    assert "tenant/job" in seen.cache.jobs


async def test_a_missed_deletion_and_a_missed_change_are_found() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job("gone"))
    seen.intake.ingest(Kind.JOB, seen.server.put(JOB, raw_job()))
    await keys(seen.jobs)
    changed = raw_job(spec={"fileIDs": ["1"], "cancel": True})
    seen.server.put(JOB, changed)
    await sweep_of(seen).sweep(Kind.JOB)
    assert seen.cache.jobs.keys() == {"tenant/job"}
    assert seen.cache.jobs["tenant/job"].job.spec.cancel
    assert await keys(seen.deleted_jobs.queue) == ["uid-of-gone"]


async def test_a_job_created_again_under_its_name_replaces_the_old_one() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    again = raw_job()
    again["metadata"]["uid"] = "another"
    seen.server.put(JOB, again)
    await sweep_of(seen).sweep(Kind.JOB)
    assert seen.cache.jobs["tenant/job"].uid == "another"
    assert await keys(seen.deleted_jobs.queue) == ["uid-of-job"]


async def test_a_deletion_that_was_reported_wrongly_is_taken_back() -> None:
    seen = Observer()
    stored = seen.server.put(JOB, raw_job())
    seen.intake.ingest(Kind.JOB, stored, deleted=True)
    await sweep_of(seen).sweep(Kind.JOB)
    assert "tenant/job" in seen.cache.jobs


async def test_an_api_server_that_does_not_serve_jobs_yet_deletes_none() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.JOB, raw_job())
    seen.server.fail = lambda method, path: (
        NotFoundError(404, "NotFound", "page not found") if method == "GET" else None
    )
    with pytest.raises(NotFoundError):
        await sweep_of(seen).sweep(Kind.JOB)
    assert "tenant/job" in seen.cache.jobs
