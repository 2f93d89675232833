"""The job executor: what it writes, in which order, and what it leaves out after a refusal."""

from typing import Any, cast

import pytest

from tests.unit.operator.observing import Observer, keys, raw_job, redis_in_memory
from wherry_core.job_snapshot import JobStatus
from wherry_core.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubernetesError,
    UnavailableError,
)
from wherry_core.resources import Phase
from wherry_core.resources.names import RETRY_ANNOTATION
from wherry_core.resources.retried_job import retried_job_name
from wherry_operator.event_recorder import Event, EventRecorder
from wherry_operator.intake.cache import Kind
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.plan import JobPlan, QueueChange
from wherry_operator.repair.archive_store import ArchiveStore

JOB = "/apis/wherry.dev/v1/namespaces/tenant/downloadjobs/job"
JOBS = JOB.rpartition("/")[0]


class Executing(Observer):
    """An executor over servers in memory, with one job."""

    def __init__(self, **status: Any) -> None:
        super().__init__()
        self.executor = JobExecutor(
            kubernetes=self.server.client,
            index=self.index,
            events=cast("EventRecorder", self.events),
            store=cast("ArchiveStore", self.store),
            intake=self.intake,
        )
        self.raw = raw_job(status=status, spec={"fileIDs": ["1", "2"], "priority": 3})
        self.view = self.intake.take_job(self.server.put(JOB, self.raw))

    def write(self) -> None:
        """Change the job as somebody else does."""
        self.server.put(JOB, self.server.objects[JOB])

    def refuse(self, method: str, error: KubernetesError) -> None:
        self.server.fail = lambda seen, _path: error if seen == method else None

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path in self.server.requests if method != "GET"]

    def queued(self, view: JobView) -> JobPlan:
        status = view.job.status.model_copy(update={"phase": Phase.QUEUED, "attempt": 1})
        return JobPlan(
            reason="Admitted", status=status, queue=QueueChange.PUT, event=Event("Admitted", "")
        )


async def test_the_status_is_written_then_the_queue_then_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory, world = redis_in_memory(monkeypatch), Executing()
    await world.executor.execute(world.view, world.queued(world.view))
    assert world.writes == [("PATCH", f"{JOB}/status")]
    assert memory.queues == {"default": {"tenant/job": 3}}
    assert memory.states["tenant/job"].status is JobStatus.QUEUED
    assert world.events.recorded == [("job", "Admitted")]
    assert world.cache.jobs["tenant/job"].job.status.phase is Phase.QUEUED


async def test_a_job_that_a_runner_claimed_meanwhile_is_not_queued_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The watch brings the claim before the answer to the operator's own write."""
    memory, world = redis_in_memory(monkeypatch), Executing(phase="Queued", attempt=1)
    patch = world.server.patch

    async def patch_and_claim(path: str, body: Any) -> dict[str, Any]:
        answer = await patch(path, body)
        status = {**answer["status"], "phase": "Processing", "runner": "r-0", "runnerUID": "u-0"}
        world.intake.ingest(Kind.JOB, world.server.put(JOB, {**answer, "status": status}))
        return answer

    monkeypatch.setattr(world.server, "patch", patch_and_claim)
    status = world.view.job.status.model_copy(update={"observed_generation": 1})
    await world.executor.execute(world.view, JobPlan(status=status, queue=QueueChange.PUT))
    assert world.cache.jobs["tenant/job"].claimed_by == "r-0"
    assert memory.queues == {}
    assert world.index.entry_of("tenant/job") is None


@pytest.mark.parametrize("other_write", [True, False])
async def test_after_a_refused_status_nothing_else_is_done(
    monkeypatch: pytest.MonkeyPatch, other_write: bool
) -> None:
    memory, world = redis_in_memory(monkeypatch), Executing()
    if other_write:
        world.write()
    else:
        world.refuse("PATCH", InvalidError(422, "Invalid", "no"))
    with pytest.raises(ConflictError if other_write else InvalidError):
        await world.executor.execute(world.view, world.queued(world.view))
    assert (memory.queues, memory.states, world.events.recorded) == ({}, {}, [])


async def test_an_expired_job_is_deleted_and_its_archive_only_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Completed", attempt=1, startTime="2030-01-02T03:00:00Z")
    await world.executor.execute(world.view, JobPlan(delete=True))
    assert world.writes == [("DELETE", JOB)]
    assert world.cache.jobs == {}
    uids = await keys(world.deleted_jobs.queue)
    assert uids == [world.view.uid]
    assert world.store.deleted == []
    await world.deleted_jobs.reconcile(uids[0])
    assert world.store.deleted == uids


async def test_the_deletion_names_the_version_that_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Completed", attempt=1)
    bodies: list[Any] = []
    request = world.server.request

    async def noting(method: str, path: str, *, body: Any = None, **rest: Any) -> dict[str, Any]:
        bodies.append(body)
        return await request(method, path, body=body, **rest)

    monkeypatch.setattr(world.server, "request", noting)
    await world.executor.execute(world.view, JobPlan(delete=True))
    expected = {"uid": world.view.uid, "resourceVersion": world.view.resource_version}
    assert bodies[0]["preconditions"] == expected


@pytest.mark.parametrize(
    "error", [ConflictError(409, "Conflict", "newer"), UnavailableError(503, "Unavailable", "")]
)
async def test_a_refused_deletion_leaves_the_archive(
    monkeypatch: pytest.MonkeyPatch, error: KubernetesError
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Completed", attempt=1, startTime="2030-01-02T03:00:00Z")
    world.refuse("DELETE", error)
    with pytest.raises(type(error)):
        await world.executor.execute(world.view, JobPlan(delete=True))
    assert "tenant/job" in world.cache.jobs
    assert await keys(world.deleted_jobs.queue) == []


RETRY = JobPlan(retry=True, annotations={RETRY_ANNOTATION: None}, event=Event("Retried", ""))


async def test_a_retry_has_all_files_and_is_created_before_the_request_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Failed", attempt=1)
    await world.executor.execute(world.view, RETRY)
    new = retried_job_name(world.view.uid)
    assert world.server.objects[f"{JOBS}/{new}"]["spec"]["fileIDs"] == ["1", "2"]
    assert world.writes == [("POST", JOBS), ("PATCH", JOB)]
    assert f"tenant/{new}" in world.cache.jobs


async def test_a_retry_that_exists_only_removes_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Failed", attempt=1)
    world.server.put(f"{JOBS}/{retried_job_name(world.view.uid)}", {})
    await world.executor.execute(world.view, RETRY)
    assert world.writes == [("POST", JOBS), ("PATCH", JOB)]
    assert world.events.recorded == [("job", "Retried")]


@pytest.mark.parametrize(
    "refusal",
    [ForbiddenError(403, "Forbidden", "exceeded quota"), InvalidError(422, "Invalid", "name")],
)
async def test_a_refused_retry_keeps_the_request_and_records_why(
    monkeypatch: pytest.MonkeyPatch, refusal: KubernetesError
) -> None:
    redis_in_memory(monkeypatch)
    world = Executing(phase="Failed", attempt=1)
    world.refuse("POST", refusal)
    await world.executor.execute(world.view, RETRY)
    assert world.writes == [("POST", JOBS)]
    assert world.events.recorded == [("job", "RetryRefused")]


async def test_the_runner_of_the_attempt_is_asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    redis_in_memory(monkeypatch)
    stopped: list[tuple[str, str, str, str]] = []

    async def stop(_: Any, pool: str, runner: Any, job: str) -> None:
        stopped.append((pool, runner.name, runner.uid, job))

    monkeypatch.setattr("wherry_core.redis.runner_registry.stop", stop)
    world = Executing(phase="Processing", attempt=1, runner="r-0", runnerUID="u-0")
    status = world.view.job.status.model_copy(update={"phase": Phase.CANCELLED, "runner": None})
    await world.executor.execute(world.view, JobPlan(status=status, stop_runner=True))
    assert stopped == [("default", "r-0", "u-0", "tenant/job")]
