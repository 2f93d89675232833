"""The pool controller and its executor: demand, starts, drains, rollouts and the status."""

import time
from functools import partial
from typing import Any, cast

import pytest

from tests.unit.operator.builders import NOW, ahead, queued
from tests.unit.operator.observing import NAMESPACE, Observer, keys, raw_job, raw_pool
from wherry_core.kubernetes.errors import ForbiddenError
from wherry_core.redis import runner_registry
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob
from wherry_operator.event_recorder import EventRecorder
from wherry_operator.intake.cache import ClusterCache, Kind
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import PodView
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.pools.controller import PoolController, runnable_jobs
from wherry_operator.pools.executor import PoolExecutor
from wherry_operator.reconciler import WorkQueue
from wherry_operator.runners.runner_watch import RunnerWatch


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


POD = "/api/v1/namespaces/wherry/pods/default-runner-0"
POOL = "/apis/wherry.dev/v1/namespaces/wherry/runnerpools/default"


class Runners:
    """Stands for the watch of runners."""

    unresponsive: frozenset[str] = frozenset()
    draining_uids: frozenset[str] = frozenset()

    def draining(self, _pool: str) -> frozenset[str]:
        return self.draining_uids


class Controlling(Observer):
    """A controller over servers in memory, with one pool."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        super().__init__()
        client, events = self.server.client, cast("EventRecorder", self.events)
        self.asked: list[tuple[str, str, str]] = []
        for order in ("drain", "retire"):
            monkeypatch.setattr(runner_registry, order, partial(self._ask, order))
        self.runners = Runners()
        self.controller = PoolController(
            kubernetes=client,
            cache=self.cache,
            index=self.index,
            executor=PoolExecutor(
                kubernetes=client,
                index=self.index,
                events=events,
                intake=self.intake,
                namespace=NAMESPACE,
                release="wherry",
            ),
            tenant_limit=TenantLimit(0, self.jobs),
            runners=cast("RunnerWatch", self.runners),
            leadership=self.leadership,
        )
        template = {"spec": {"containers": [{"name": "runner", "image": "i"}]}}
        self.pool = self.server.put(POOL, raw_pool(**{"template": template, **spec}))
        self.intake.ingest(Kind.POOL, self.pool)

    async def _ask(self, order: str, _redis: Any, _pool: str, runner: RunnerId) -> bool:
        self.asked.append((order, runner.name, runner.uid))
        return True

    def want(self, jobs: int) -> None:
        for number in range(jobs):
            self.intake.take_job(raw_job(str(number), status={"phase": "Queued", "attempt": 1}))

    def run_pod(self, **status: Any) -> PodView:
        """Have the first runner run, as its kubelet would; return it."""
        found = self.server.objects[POD]
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "conditions": conditions, **status}
        self.intake.ingest(Kind.POD, self.server.put(POD, {**found, "status": status}))
        return self.cache.pods["default-runner-0"]

    @property
    def status(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.server.objects[POOL]["status"])

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.events.recorded]


async def test_a_job_starts_a_runner_and_the_status_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    await world.controller.reconcile("default")
    assert POD in world.server.objects
    assert world.status["waitingJobs"] == 1
    assert world.reasons == ["RunnersStarted"]
    await world.controller.reconcile("default")
    assert (
        sum(request == ("POST", POD.rpartition("/")[0]) for request in world.server.requests) == 1
    )


async def test_a_refused_pod_is_reported_once_and_slows_down_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    refusal = ForbiddenError(403, "Forbidden", "exceeded quota")
    world.server.fail = lambda method, _path: refusal if method == "POST" else None
    pause = await world.controller.reconcile("default")
    assert world.reasons == ["RunnerRefused"]
    assert pause is not None
    assert pause <= 5
    await world.controller.reconcile("default")
    assert world.reasons == ["RunnerRefused", "RunnersFail"]
    posts = [method for method, _ in world.server.requests if method == "POST"]
    assert len(posts) == 1


async def test_a_changed_template_retires_the_runner_by_its_uid_and_starts_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    await world.controller.reconcile("default")
    old = world.run_pod()
    template = {"spec": {"containers": [{"name": "runner", "image": "newer"}]}}
    changed = {**world.pool, "spec": {"template": template}}
    world.intake.ingest(Kind.POOL, world.server.put(POOL, changed))
    pause = await world.controller.reconcile("default")
    assert world.asked == [("retire", "default-runner-0", old.uid)]
    assert pause is not None
    assert pause <= 1
    await world.controller.reconcile("default")
    assert POD.replace("runner-0", "runner-1") in world.server.objects
    assert world.reasons.count("RunnersRetired") == 1


async def test_a_retired_runner_that_works_for_long_needs_no_further_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    await world.controller.reconcile("default")
    old = world.run_pod()
    status = {"phase": "Processing", "attempt": 1, "runner": old.name, "runnerUID": old.uid}
    world.intake.take_job(raw_job("0", "8", status=status))
    await world.controller.reconcile("default")
    memory = world.controller.memories["default"]
    memory.draining[old.uid] = time.monotonic() - 3_600
    memory.status_written = float("-inf")
    await world.controller.reconcile("default")
    pause = await world.controller.reconcile("default")
    assert pause is None or pause >= 1
    assert POD in world.server.objects


async def test_an_idle_runner_that_does_not_leave_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    await world.controller.reconcile("default")
    old = world.run_pod()
    world.controller.memories["default"].draining[old.uid] = time.monotonic() - 50
    pause = await world.controller.reconcile("default")
    assert POD in world.server.objects
    assert pause is not None
    assert pause <= 10
    world.controller.memories["default"].draining[old.uid] = time.monotonic() - 60
    await world.controller.reconcile("default")
    assert POD not in world.server.objects


async def test_a_broken_template_slows_starts_down_while_old_runners_work_until_it_is_corrected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch, concurrency=1)
    world.want(1)
    await world.controller.reconcile("default")
    old = world.run_pod()
    status = {"phase": "Processing", "attempt": 1, "runner": old.name, "runnerUID": old.uid}
    world.intake.take_job(raw_job("0", "8", status=status))
    for number in range(1, 4):
        world.intake.take_job(raw_job(str(number), status={"phase": "Queued", "attempt": 1}))
    template = {"spec": {"containers": [{"name": "runner", "image": "broken"}]}}
    changed = {**world.pool, "spec": {"template": template, "concurrency": 1}}
    world.intake.ingest(Kind.POOL, world.server.put(POOL, changed))
    for _ in range(5):
        await world.controller.reconcile("default")
        for path, found in list(world.server.objects.items()):
            if path.startswith(POD.removesuffix("0")) and path != POD:
                failed = {**found, "status": {"phase": "Failed"}}
                world.intake.ingest(Kind.POD, world.server.put(path, failed))
    starts = [path for method, path in world.server.requests if method == "POST"]
    # The first runner, and the three that the waiting jobs need; then the pause is kept.
    assert len(starts) == 4
    available = next(each for each in world.status["conditions"] if each["type"] == "Available")
    assert (available["status"], available["reason"]) == ("False", "RunnersFail")
    template = {"spec": {"containers": [{"name": "runner", "image": "corrected"}]}}
    corrected = {**world.server.objects[POOL], "spec": {"template": template, "concurrency": 1}}
    world.intake.ingest(Kind.POOL, world.server.put(POOL, corrected))
    await world.controller.reconcile("default")
    starts = [path for method, path in world.server.requests if method == "POST"]
    assert len(starts) == 7


async def test_drains_that_redis_knows_are_respected_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    await world.controller.reconcile("default")
    world.runners.draining_uids = frozenset({world.run_pod().uid})
    await world.controller.reconcile("default")
    assert POD.replace("runner-0", "runner-1") in world.server.objects
    world.runners.draining_uids = frozenset()
    world.controller.evict_drains()
    await world.controller.reconcile("default")
    assert world.controller.figures()["default"].runners["draining"] == 0


async def test_a_conflict_of_the_status_is_decided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Controlling(monkeypatch)
    await keys(world.pools)
    world.server.put(POOL, world.server.objects[POOL])
    await world.controller.reconcile("default")
    assert "status" not in world.server.objects[POOL]
    assert await keys(world.pools) == ["default"]
    await world.controller.reconcile("default")
    assert world.status["conditions"][0]["reason"] == "ScaledToZero"


async def test_a_replica_that_does_not_act_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Controlling(monkeypatch)
    world.want(1)
    world.leadership.synced.clear()
    assert await world.controller.reconcile("default") is None
    assert world.server.requests == []
