"""The job controller: conflicts, clocks, lost runners, and when it decides again."""

import time
from datetime import timedelta
from typing import Any, cast

import pytest

from tests.unit.operator.builders import NOW, ago, condition
from tests.unit.operator.observing import (
    Observer,
    keys,
    raw_job,
    raw_pod,
    raw_pool,
    redis_in_memory,
)
from wherry_core.kubernetes.errors import ConflictError, KubernetesError, NotFoundError
from wherry_core.resources.base import format_time
from wherry_operator.event_recorder import EventRecorder
from wherry_operator.intake.cache import Kind
from wherry_operator.jobs.controller import CONFLICT_TRIES, JobController
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.explanations import StaleExplanations
from wherry_operator.jobs.plan import JobRules
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.runners.lost_runners import LostRunners
from wherry_operator.runners.runner_watch import RunnerWatch

KEY = "tenant/job"
JOB = "/apis/wherry.dev/v1/namespaces/tenant/downloadjobs/job"
POD = "/api/v1/namespaces/wherry/pods/default-runner-0"


class Unresponsive:
    """Stands for the watch of runners."""

    def __init__(self) -> None:
        self.unresponsive: frozenset[str] = frozenset()


class Controlling(Observer):
    """A controller over servers in memory, with one job of the pool ``default``."""

    def __init__(self, *, spec: dict[str, Any] | None = None, **status: Any) -> None:
        super().__init__()
        client = self.server.client
        self.runners = Unresponsive()
        self.controller = JobController(
            kubernetes=client,
            cache=self.cache,
            intake=self.intake,
            executor=JobExecutor(
                kubernetes=client,
                index=self.index,
                events=cast("EventRecorder", self.events),
                store=cast("ArchiveStore", self.store),
                intake=self.intake,
            ),
            completions=self.completions,
            rules=JobRules(),
            tenant_limit=TenantLimit(0, self.jobs),
            lost_runners=LostRunners(
                kubernetes=client,
                cache=self.cache,
                intake=self.intake,
                runners=cast("RunnerWatch", self.runners),
                namespace="wherry",
                heartbeat_timeout=30,
            ),
            stale=StaleExplanations(self.cache, self.index, self.jobs),
            leadership=self.leadership,
            pools=self.pools,
        )
        self.intake.ingest(Kind.POOL, raw_pool())
        raw = raw_job(spec={"fileIDs": ["1"], **(spec or {})}, status=status)
        self.intake.take_job(self.server.put(JOB, raw))

    @property
    def status(self) -> dict[str, Any]:
        """The job's status on the server."""
        return cast("dict[str, Any]", self.server.objects[JOB]["status"])

    def conflict(self, times: int) -> None:
        """Have somebody else change the job before each of the next writes of its status."""
        left = [times]

        def fail(method: str, path: str) -> KubernetesError | None:
            if method != "PATCH" or left[0] == 0:
                return None
            left[0] -= 1
            self.server.put(JOB, self.server.objects[JOB])
            return ConflictError(409, "Conflict", path)

        self.server.fail = fail


@pytest.fixture(autouse=True)
def _redis(monkeypatch: pytest.MonkeyPatch) -> None:
    redis_in_memory(monkeypatch)

    async def stop(*_: Any) -> None:
        """Ask no runner; what it is asked is a test of the executor."""

    monkeypatch.setattr("wherry_core.redis.runner_registry.stop", stop)


@pytest.mark.parametrize("conflicts", [0, 1, CONFLICT_TRIES - 1])
async def test_a_decision_is_repeated_at_once_after_a_conflict(conflicts: int) -> None:
    world = Controlling()
    world.conflict(conflicts)
    await world.controller.reconcile(KEY)
    assert world.status["phase"] == "Queued"


async def test_a_decision_that_always_conflicts_is_left_to_the_backoff() -> None:
    world = Controlling()
    world.conflict(1_000)
    with pytest.raises(ConflictError):
        await world.controller.reconcile(KEY)


async def test_after_a_conflict_the_decision_is_made_from_the_newest_version() -> None:
    """The job is cancelled at the moment at which it would be queued."""
    world = Controlling()
    world.conflict(1)
    found = world.server.objects[JOB]
    world.server.objects[JOB] = {**found, "spec": {**found["spec"], "cancel": True}}
    await world.controller.reconcile(KEY)
    assert world.status["phase"] == "Cancelled"


async def test_a_job_that_is_gone_is_dropped() -> None:
    world = Controlling()
    del world.server.objects[JOB]
    assert await world.controller.reconcile(KEY) is None
    assert world.cache.jobs == {}


async def test_an_api_server_that_does_not_serve_the_resource_drops_no_job() -> None:
    world = Controlling()
    world.server.fail = lambda _method, path: NotFoundError(404, "NotFound", path)
    with pytest.raises(NotFoundError):
        await world.controller.reconcile(KEY)
    assert KEY in world.cache.jobs


async def test_a_replica_that_does_not_act_writes_nothing() -> None:
    world = Controlling()
    world.leadership.synced.clear()
    assert await world.controller.reconcile(KEY) is None
    assert world.server.requests == []


@pytest.mark.parametrize("minutes", [-2, 2])
async def test_decisions_follow_the_api_servers_clock(minutes: int) -> None:
    """The node's clock is two minutes off, and the job has 10 s left to wait."""
    world = Controlling(
        spec={"queueTimeoutSeconds": 60},
        phase="Queued",
        attempt=1,
        observedGeneration=1,
        queuedTime=format_time(ago(50)),
        conditions=[condition("Waiting").to_wire()],
    )
    server_now = NOW + timedelta(minutes=minutes)
    sent = world.server.clock.local_time()
    world.server.clock.observe(server_now.strftime("%a, %d %b %Y %H:%M:%S GMT"), sent)
    pause = await world.controller.reconcile(KEY)
    if minutes > 0:
        assert world.status["phase"] == "Failed"
    else:
        assert world.status["phase"] == "Queued"
        assert pause is not None
        assert 0 < pause <= 130


async def test_an_entry_in_the_queue_has_the_pool_decided_again() -> None:
    world = Controlling(phase="Queued", attempt=1, queuedTime=format_time(ago(5)))
    await keys(world.pools)
    await world.controller.reconcile(KEY)
    assert await keys(world.pools) == ["default"]
    await world.controller.reconcile(KEY)
    assert await keys(world.pools) == []


RUNNING: dict[str, Any] = {
    "phase": "Processing",
    "attempt": 1,
    "runner": "default-runner-0",
    "startTime": format_time(ago(5)),
    "attemptStartTime": format_time(ago(5)),
}


async def test_a_runner_whose_pod_does_not_exist_is_lost() -> None:
    world = Controlling(**RUNNING)
    await world.controller.reconcile(KEY)
    assert world.status["phase"] == "Queued"
    assert world.status["failures"][0]["reason"] == "RunnerGone"
    assert world.status["runner"] is None


async def test_a_pod_that_the_watch_has_not_reported_yet_is_no_loss() -> None:
    world = Controlling(**RUNNING)
    world.server.put(POD, raw_pod())
    await world.controller.reconcile(KEY)
    assert world.status["phase"] == "Processing"


async def test_a_later_pod_of_the_same_name_is_another_runner() -> None:
    world = Controlling(**RUNNING, runnerUID="an-earlier-pod")
    world.intake.ingest(Kind.POD, world.server.put(POD, raw_pod()))
    await world.controller.reconcile(KEY)
    assert world.status["failures"][0]["reason"] == "RunnerGone"
    assert world.status["runnerUID"] is None


async def test_an_unresponsive_runner_is_lost() -> None:
    world = Controlling(**RUNNING)
    world.intake.ingest(Kind.POD, world.server.put(POD, raw_pod()))
    world.runners.unresponsive = frozenset({"default-runner-0"})
    await world.controller.reconcile(KEY)
    failure = world.status["failures"][0]
    assert (failure["reason"], failure["infrastructure"]) == ("RunnerUnresponsive", True)


WAITING: dict[str, Any] = {
    "phase": "Queued",
    "attempt": 1,
    "observedGeneration": 1,
    "queuedTime": format_time(ago(40)),
}


def patches(world: Controlling) -> int:
    return sum(method == "PATCH" for method, _ in world.server.requests)


async def test_a_job_that_has_waited_for_long_is_explained_once() -> None:
    world = Controlling(**WAITING)
    await world.controller.reconcile(KEY)
    assert world.status["conditions"][0]["reason"] == "RunnersStart"
    await world.controller.reconcile(KEY)
    assert patches(world) == 1


async def test_an_explanation_waits_for_its_moment() -> None:
    world = Controlling(**WAITING)
    for number in range(600):
        world.controller.budget.seconds_until_allowed(str(number), time.monotonic(), first=True)
    pause = await world.controller.reconcile(KEY)
    assert pause is not None
    assert 110 < pause <= 120
    assert patches(world) == 0


async def test_a_write_that_is_made_anyway_takes_the_explanation_with_it() -> None:
    world = Controlling(**{**WAITING, "observedGeneration": 0})
    for number in range(600):
        world.controller.budget.seconds_until_allowed(str(number), time.monotonic(), first=True)
    await world.controller.reconcile(KEY)
    assert world.status["conditions"][0]["reason"] == "RunnersStart"


async def test_a_job_of_an_unreadable_pool_stays_in_the_queue() -> None:
    """Its pool may have runners, which still take jobs."""
    world = Controlling(phase="Queued", attempt=1)
    world.intake.ingest(Kind.POOL, raw_pool(version="8", concurrency="many"))
    assert "default" not in world.cache.pools
    await world.controller.reconcile(KEY)
    assert world.index.entry_of(KEY) is not None
