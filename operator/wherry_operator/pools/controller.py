"""One pool: observe, decide, carry out."""

import time
from collections.abc import Collection, Container
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_operator.cluster_metrics import PoolFigures
from wherry_operator.intake.cache import ClusterCache, PoolView
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.deadlines import could_run
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.leadership import Leadership
from wherry_operator.pools.executor import (
    LEAVE_SECONDS,
    STATUS_SECONDS,
    PoolExecutor,
    idle_leavers,
    status_change,
)
from wherry_operator.pools.memory import PeakWindow, PoolMemory
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity, template_hash
from wherry_operator.pools.policies import plan_pool
from wherry_operator.pools.policies.demand import desired_runners
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.runner_watch import RunnerWatch

RETRY_SECONDS: Final = 1.0
"""Pause before runners that could not be asked to leave are asked again."""
SHORTEST_PAUSE_SECONDS: Final = 0.05


@dataclass
class PoolController:
    """Reconciles pools by name."""

    kubernetes: KubernetesClient
    cache: ClusterCache
    index: QueueIndex
    executor: PoolExecutor
    tenant_limit: TenantLimit
    runners: RunnerWatch
    leadership: Leadership
    memories: dict[str, PoolMemory] = field(default_factory=dict)

    async def reconcile(self, name: str) -> float | None:
        """Do what has to be done about a pool; return the seconds until the next decision."""
        view = self.cache.pools.get(name)
        if view is None or not self.leadership.may_act():
            self.memories.pop(name, None)
            return None
        memory = self.memories.setdefault(name, PoolMemory(peak=PeakWindow(time.monotonic())))
        observed = self._observe(view, memory)
        plan = plan_pool(observed)
        await self.executor.execute(view, observed, plan, memory)
        memory.figures = figures_of(observed, plan)
        return self._seconds_until_next(view, observed, plan, memory)

    def evict_drains(self) -> None:
        """Drop the record of who was asked to leave, because Redis may have lost the marks."""
        for memory in self.memories.values():
            memory.draining.clear()

    def figures(self) -> dict[str, PoolFigures]:
        """Return what the last decision about each pool saw, for the metrics."""
        return {name: memory.figures for name, memory in self.memories.items() if memory.figures}

    def _observe(self, view: PoolView, memory: PoolMemory) -> ObservedPool:
        name, now = view.pool.metadata.name, time.monotonic()
        jobs, pods = self.cache.jobs_of(name), self.cache.pods_of(name)
        claimed = {runner: len(keys) for runner, keys in jobs.by_runner.items()}
        memory.record_pods(pods, claimed, self.runners.draining(name), now)
        memory.record_template(template_hash(view.pool, self.executor.release))
        held = self.tenant_limit.held_of(jobs.queued)
        doubtful = [self.cache.jobs[key] for key in jobs.parked | held if key in self.cache.jobs]
        observed = ObservedPool(
            pool=view.pool,
            pods=tuple(pods),
            waiting=runnable_jobs(len(jobs.queued), doubtful, held, self.kubernetes.clock.now()),
            claimed=claimed,
            draining=frozenset(pod.name for pod in pods if pod.uid in memory.draining),
            unresponsive=self.runners.unresponsive,
            start_allowance=memory.guard.allowance(now),
            start_failure=memory.guard.reason,
            index_up=self.index.up,
            release=self.executor.release,
        )
        capacity = sum(has_capacity(observed, pod) for pod in pods)
        desired = desired_runners(view.pool, observed.waiting, sum(claimed.values()))
        memory.peak.note(now, desired)
        peak = memory.peak.peak(now, view.pool.spec.idle_seconds, capacity)
        return replace(observed, needed=peak)

    def _seconds_until_next(
        self, view: PoolView, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> float | None:
        now, pauses = time.monotonic(), []
        if plan.status is not None and status_change(
            view.pool.status, plan.status, self.kubernetes.clock.now()
        ):
            pauses.append(memory.status_written + STATUS_SECONDS - now)
        if plan.drain or plan.retire:
            pauses.append(RETRY_SECONDS)
        if any(has_capacity(observed, pod) for pod in observed.pods):
            change = memory.peak.next_change(now, view.pool.spec.idle_seconds)
            if change is not None:
                pauses.append(change)
            elif observed.needed > plan.desired:
                pauses.append(RETRY_SECONDS)
        if memory.guard.failures and observed.start_allowance == 0:
            pauses.append(memory.guard.not_before - now)
        for _, asked_at in idle_leavers(observed, memory):
            # One that has begun a job may not be deleted; it is asked again until the job is seen.
            pauses.append(max(RETRY_SECONDS, asked_at + LEAVE_SECONDS - now))
        return max(SHORTEST_PAUSE_SECONDS, min(pauses)) if pauses else None


def runnable_jobs(
    queued: int, doubtful: Collection[JobView], held: Container[str], now: datetime
) -> int:
    """Return how many of ``queued`` jobs could run now.

    Only the ``doubtful`` ones among them are looked at: those that are suspended, back off, or are
    held back by their tenant's limit. All others could run.
    """
    certain = queued - len(doubtful)
    return certain + sum(could_run(view.job, held=view.key in held, now=now) for view in doubtful)


def figures_of(observed: ObservedPool, plan: PoolPlan) -> PoolFigures:
    """Return the figures of one decision."""
    living = [pod for pod in observed.pods if not pod.ended]
    ready = sum(pod.ready for pod in living)
    return PoolFigures(
        waiting=observed.waiting,
        claimed=sum(observed.claimed.values()),
        slots=ready * observed.pool.spec.concurrency,
        runners={
            "desired": plan.desired,
            "living": len(living),
            "ready": ready,
            "busy": len(observed.claimed),
            "draining": len(observed.draining),
        },
    )
