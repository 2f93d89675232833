"""The gauges of the cluster, which only the replica that acts exports."""

import asyncio
import contextlib
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest

from tests.harness.waiting import eventually
from tests.unit.operator.builders import (
    NOW,
    ago,
    ahead,
    condition,
    ended,
    pod,
    pool,
    processing,
    queued,
)
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.redis import client as redis_client
from wherry_core.redis.link import RedisLink
from wherry_core.resources import DownloadJob, Phase
from wherry_core.settings import RedisSettings
from wherry_operator import metrics
from wherry_operator.cluster_metrics import (
    ClusterMetrics,
    PoolFigures,
    exported,
    waited_seconds,
)
from wherry_operator.intake.cache import ClusterCache, PoolView
from wherry_operator.intake.job_view import JobView
from wherry_operator.leadership import Leadership
from wherry_operator.pools.controller import figures_of
from wherry_operator.pools.plan import ObservedPool, PoolPlan
from wherry_operator.reconciler import Reconciler, WorkQueue
from wherry_operator.repair.queue_index import QueueIndex


def view(seen: DownloadJob, name: str = "job") -> JobView:
    metadata = seen.metadata.model_copy(update={"name": name, "uid": name})
    return JobView(job=seen.model_copy(update={"metadata": metadata}), files=1)


def cache_of(**jobs: DownloadJob) -> ClusterCache:
    cache = ClusterCache()
    cache.put_pool(PoolView(pool()))
    for name, seen in jobs.items():
        cache.put_job(view(seen, name))
    return cache


@dataclass
class Figures:
    of_pools: dict[str, PoolFigures]

    def figures(self) -> dict[str, PoolFigures]:
        return self.of_pools


def samples(
    cache: ClusterCache, *, acting: bool = True, **figures: PoolFigures
) -> dict[str, float]:
    """Return the result of a scrape, by the name with its labels."""
    registry = CollectorRegistry()
    leadership = Leadership(None)
    if acting:
        leadership.synced.set()
    # Never connected to: a client sends nothing before its first command.
    index = QueueIndex(RedisLink(redis_client.connect(RedisSettings())), state_ttl_seconds=60)
    clock = ServerClock(NOW.timestamp)
    collector = ClusterMetrics(cache, index, leadership, Figures(figures), clock)
    with exported(collector, registry):
        lines = generate_latest(registry).decode().splitlines()
    assert generate_latest(registry) == b""
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_jobs_by_phase_the_oldest_and_dead_letters() -> None:
    found = samples(
        cache_of(
            a=queued(),
            b=queued(queued_time=ago(90)),
            c=processing(),
            d=ended(Phase.COMPLETED),
            e=ended(Phase.FAILED),
            f=ended(Phase.FAILED, conditions=(condition("DeadLettered"),)),
        )
    )
    assert found["wherry_leader"] == 1
    assert found["wherry_redis_up"] == 1
    assert found['wherry_jobs{phase="Queued"}'] == 2
    assert found['wherry_jobs{phase="Processing"}'] == 1
    assert found['wherry_jobs{phase="Completed"}'] == 1
    assert found['wherry_jobs{phase="Failed"}'] == 2
    assert found['wherry_jobs{phase="Cancelled"}'] == 0
    assert found["wherry_dead_letters"] == 1
    assert found['wherry_queue_oldest_age_seconds{pool="default"}'] == 90


def test_a_replica_that_does_not_act_exports_only_that() -> None:
    assert samples(cache_of(a=queued()), acting=False) == {"wherry_leader": 0}


def test_nothing_waits_so_nothing_is_old() -> None:
    found = samples(cache_of())
    assert found['wherry_queue_oldest_age_seconds{pool="default"}'] == 0


def test_suspended_jobs_and_jobs_in_a_pause_do_not_wait() -> None:
    assert waited_seconds(view(queued(spec={"suspend": True})), NOW) == 0
    assert waited_seconds(view(queued(next_attempt_time=ahead(5))), NOW) == 0
    assert waited_seconds(view(queued(next_attempt_time=ago(3))), NOW) == 3
    assert waited_seconds(view(queued()), NOW) == 10


def test_figures_of_pools_are_those_of_their_last_decision() -> None:
    observed = ObservedPool(
        pool=pool(concurrency=3),
        pods=(pod(0), pod(1, ready=False), pod(2, phase="Failed")),
        waiting=4,
        claimed={"default-runner-0": 2},
    )
    figures = figures_of(observed, PoolPlan(desired=3))
    found = samples(cache_of(), default=figures)
    assert found['wherry_queue_depth{pool="default"}'] == 4
    assert found['wherry_claimed_jobs{pool="default"}'] == 2
    assert found['wherry_runner_slots{pool="default"}'] == 3
    states = {
        state: found[f'wherry_runners{{pool="default",state="{state}"}}']
        for state in ("desired", "living", "ready", "busy", "draining")
    }
    assert states == {"desired": 3, "living": 2, "ready": 1, "busy": 1, "draining": 0}


async def test_a_replica_that_only_watches_counts_no_reconciles() -> None:
    counted = metrics.RECONCILE_SECONDS.labels(kind="look")
    seen: list[str] = []

    async def look(key: str) -> None:
        seen.append(key)

    before = counted._sum.get()
    queue = WorkQueue("look")
    loop = Reconciler(queue, look, workers=1, measured=lambda: False)
    task = asyncio.create_task(loop.run())
    queue.add("a")
    await eventually("it to be reconciled", lambda: seen == ["a"] and queue.idle)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert counted._sum.get() == before
