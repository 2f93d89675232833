"""Nothing of a deleted job remains, seen or unseen, and nothing else is touched."""

import pytest

from tests.unit.operator.builders import processing
from tests.unit.operator.observing import MemoryLink, MemoryRedis, Observer, redis_in_memory
from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError, UnavailableError
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.resources import DownloadJob
from wherry_operator.intake.job_view import JobView

JOB = jobs_path("tenant", "job")


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    return redis_in_memory(monkeypatch)


def running(uid: str = "u") -> DownloadJob:
    return processing(metadata={"uid": uid})


def state(uid: str = "u") -> JobSnapshot:
    return snapshot_of(running(uid))


async def work_off(seen: Observer) -> None:
    """Reconcile what waits, once each."""
    queue = seen.deleted_jobs.queue
    while not queue.idle:
        uid = await queue.take()
        try:
            await seen.deleted_jobs.reconcile(uid)
        finally:
            queue.done(uid)


async def test_a_seen_deletion_ends_state_and_objects(redis: MemoryRedis) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.deleted_jobs.add(JobView(processing(metadata={"uid": "u"}, runner=None), 1))
    await work_off(seen)
    assert (redis.states, seen.store.deleted) == ({}, ["u"])
    assert redis.deleted["u"] is not None, "its subscribers are notified"


async def test_a_job_that_never_started_has_nothing_in_the_store(redis: MemoryRedis) -> None:
    seen = Observer()
    seen.deleted_jobs.add(JobView(processing(runner=None, start_time=None), 1))
    await work_off(seen)
    assert seen.store.deleted == []
    assert len(redis.deleted) == 1


async def test_while_the_store_is_unavailable_the_state_goes_and_it_is_retried(
    redis: MemoryRedis,
) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.deleted_jobs.add(JobView(processing(metadata={"uid": "u"}, runner=None), 1))
    seen.store.error = OSError("no route")
    with pytest.raises(OSError, match="no route"):
        await work_off(seen)
    assert redis.states == {}
    seen.store.error = None
    await seen.deleted_jobs.reconcile("u")
    assert seen.store.deleted == ["u"]


async def test_a_replica_that_does_not_act_deletes_nothing(redis: MemoryRedis) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.leadership.synced.clear()
    seen.deleted_jobs.add(JobView(running(), 1))
    await work_off(seen)
    assert (redis.deleted, seen.store.deleted) == ({}, [])


async def test_a_deletion_that_no_process_saw_is_found(redis: MemoryRedis) -> None:
    seen = Observer()
    last = redis.states["tenant/job"] = state()
    assert await seen.deleted_jobs.scan(recorded=True) == 1
    await work_off(seen)
    assert (redis.states, seen.store.deleted) == ({}, ["u"])
    assert redis.deleted["u"] == last, "its subscribers get the last snapshot"


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_deletion_that_the_api_recorded_ends_the_objects_once(
    redis: MemoryRedis, recorded: bool
) -> None:
    seen = Observer()
    redis.tombstones["tenant/job"] = "u"
    assert await seen.deleted_jobs.scan(recorded=recorded) == int(recorded)
    await work_off(seen)
    assert seen.store.deleted == (["u"] if recorded else [])


async def test_a_job_created_again_under_the_name_is_another_job(redis: MemoryRedis) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state("first")
    seen.server.put(JOB, {"metadata": {"uid": "second"}})
    seen.cache.put_job(JobView(running("second"), 1))
    assert await seen.deleted_jobs.scan(recorded=True) == 1
    await work_off(seen)
    assert seen.store.deleted == ["first"]


async def test_a_job_that_the_cache_does_not_have_yet_is_kept(redis: MemoryRedis) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.server.put(JOB, {"metadata": {"uid": "u"}})
    assert await seen.deleted_jobs.scan(recorded=True) == 0


async def test_a_cached_job_costs_no_request(redis: MemoryRedis) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.cache.put_job(JobView(running(), 1))
    assert await seen.deleted_jobs.scan(recorded=True) == 0
    assert seen.server.requests == []


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError(404, "NotFound", "page not found"),
        UnavailableError(503, "", "starting"),
    ],
    ids=["not served yet", "unavailable"],
)
async def test_an_api_server_that_does_not_know_deletes_nothing(
    redis: MemoryRedis, error: KubernetesError
) -> None:
    seen = Observer()
    redis.states["tenant/job"] = state()
    seen.server.fail = lambda method, path: error
    with pytest.raises(type(error)):
        await seen.deleted_jobs.scan(recorded=True)
    assert seen.deleted_jobs.queue.idle


async def test_states_of_foreign_namespaces_are_left_alone(redis: MemoryRedis) -> None:
    seen = Observer()
    seen.deleted_jobs._tenants = ("another",)
    redis.states["tenant/job"] = state()
    assert await seen.deleted_jobs.scan(recorded=True) == 0


async def test_without_redis_the_objects_are_deleted_all_the_same(redis: MemoryRedis) -> None:
    seen = Observer(MemoryLink(up=False, available=False))
    seen.deleted_jobs.add(JobView(without_runner(running()), 1))
    await work_off(seen)
    assert seen.store.deleted == ["u"]


def without_runner(job: DownloadJob) -> DownloadJob:
    return job.model_copy(update={"status": job.status.model_copy(update={"runner": None})})
