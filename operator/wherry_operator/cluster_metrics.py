"""Gauges of the whole cluster, counted when Prometheus asks, by the acting replica alone.

Every replica knows the same jobs. If each exported these gauges, every sum over the replicas would
count them twice, and a replica that no longer acts would keep exporting old values.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.resources import Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.status_changes import condition_is_true
from wherry_operator.leadership import Leadership
from wherry_operator.repair.queue_index import QueueIndex


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What the last decision about a pool was based on."""

    waiting: int
    """Jobs that could run now."""
    claimed: int
    slots: int
    """Jobs that the ready runners could take at once."""
    runners: Mapping[str, int]
    """Number of runner pods by state."""


class PoolFiguresSource(Protocol):
    """Knows the figures of all pools."""

    def figures(self) -> Mapping[str, PoolFigures]:
        """Return what the last decision about each pool saw."""


class ClusterMetrics(Collector):
    """Collects the gauges; only ``wherry_leader`` on a replica that does not act."""

    def __init__(
        self,
        cache: ClusterCache,
        index: QueueIndex,
        leadership: Leadership,
        pools: PoolFiguresSource,
        clock: ServerClock,
    ) -> None:
        self._cache = cache
        self._index = index
        self._leadership = leadership
        self._pools = pools
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Return nothing, so that the registry does not collect to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        acting = self._leadership.may_act()
        leader = GaugeMetricFamily("wherry_leader", "1 on the replica that acts.")
        leader.add_metric([], int(acting))
        yield leader
        if not acting:
            return
        redis = GaugeMetricFamily("wherry_redis_up", "1 while Redis answers the operator.")
        redis.add_metric([], int(self._index.up))
        yield redis
        yield self._jobs()
        yield self._dead_letters()
        yield self._oldest_ages()
        yield from self._of_pools()

    def _jobs(self) -> Metric:
        cache = self._cache
        lists = [cache.jobs_of(name) for name in cache.pools_with_jobs()]
        counts = {
            Phase.QUEUED: sum(len(jobs.queued) for jobs in lists),
            Phase.PROCESSING: sum(len(jobs.claimed) for jobs in lists),
            **cache.ended,
        }
        family = GaugeMetricFamily("wherry_jobs", "Jobs that exist, by phase.", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase.value], counts.get(phase, 0))
        return family

    def _dead_letters(self) -> Metric:
        family = GaugeMetricFamily("wherry_dead_letters", "Dead-lettered jobs that still exist.")
        failed = self._cache.ended.get(Phase.FAILED, 0)
        # Most clusters have none; then the jobs are not searched.
        dead = sum(_is_dead_letter(view) for view in self._cache.jobs.values()) if failed else 0
        family.add_metric([], dead)
        return family

    def _oldest_ages(self) -> Metric:
        family = GaugeMetricFamily(
            "wherry_queue_oldest_age_seconds",
            "Age of the job that has waited longest for a runner; 0 when none waits.",
            labels=["pool"],
        )
        now = self._clock.now()
        for name in sorted({*self._cache.pools, *self._cache.pools_with_jobs()}):
            keys = self._cache.jobs_of(name).queued
            views = (self._cache.jobs[key] for key in keys if key in self._cache.jobs)
            ages = (waited_seconds(view, now) for view in views)
            family.add_metric([name], max(ages, default=0.0))
        return family

    def _of_pools(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily(
            "wherry_queue_depth", "Jobs that wait for a runner.", labels=["pool"]
        )
        claimed = GaugeMetricFamily(
            "wherry_claimed_jobs", "Jobs that runners work on.", labels=["pool"]
        )
        slots = GaugeMetricFamily(
            "wherry_runner_slots",
            "Jobs that the ready runners could take at once.",
            labels=["pool"],
        )
        runners = GaugeMetricFamily(
            "wherry_runners", "Runner pods by state.", labels=["pool", "state"]
        )
        for name, figures in sorted(self._pools.figures().items()):
            depth.add_metric([name], figures.waiting)
            claimed.add_metric([name], figures.claimed)
            slots.add_metric([name], figures.slots)
            for state, number in figures.runners.items():
                runners.add_metric([name, state], number)
        yield from (depth, claimed, slots, runners)


def waited_seconds(view: JobView, now: datetime) -> float:
    """Return for how long a queued job has waited for a runner.

    A suspended job does not wait, nor does one in the pause after a failed attempt.
    """
    job = view.job
    since = job.status.queued_time
    if since is None or job.spec.suspend:
        return 0.0
    if job.status.next_attempt_time is not None:
        since = max(since, job.status.next_attempt_time)
    return max(0.0, (now - since).total_seconds())


def _is_dead_letter(view: JobView) -> bool:
    status = view.job.status
    return status.phase is Phase.FAILED and condition_is_true(status, JobCondition.DEAD_LETTERED)


@contextmanager
def exported(collector: Collector, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Have ``collector`` asked at every scrape while the context is open."""
    registry.register(collector)
    try:
        yield
    finally:
        registry.unregister(collector)
