"""One pool: observe, decide, carry out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from wherry_operator import clock
from wherry_operator.cluster_metrics import PoolFigures
from wherry_operator.intake.cache import ClusterCache, PoolJobs, PoolView
from wherry_operator.intake.pod_view import PodView
from wherry_operator.jobs.plan import status_patch
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.pools.decision import plan_pool
from wherry_operator.pools.executor import LEAVE_SECONDS, STATUS_SECONDS, PoolExecutor, dated
from wherry_operator.pools.memory import PeakWindow, PoolMemory
from wherry_operator.pools.plan import ObservedPool, PoolPlan, desired_runners, has_capacity
from wherry_operator.repair.queue_index import QueueIndex


@dataclass
class PoolController:
    """Reconciles pools by name."""

    cache: ClusterCache
    index: QueueIndex
    executor: PoolExecutor
    tenant_limit: TenantLimit
    silent_runners: Callable[[], frozenset[str]]
    may_act: Callable[[], bool]
    memories: dict[str, PoolMemory] = field(default_factory=dict)

    async def reconcile(self, name: str) -> float | None:
        """Do what is to be done about a pool; return when to look again, in seconds."""
        view = self.cache.pools.get(name)
        if view is None or not self.may_act():
            self.memories.pop(name, None)
            return None
        memory = self._memory(name)
        observed = self._observe(view, memory)
        plan = plan_pool(observed)
        await self.executor.execute(view, observed, plan, memory)
        memory.figures = figures_of(observed, plan)
        return self._look_again(view, observed, plan, memory)

    def forget_drains(self) -> None:
        """Forget who was asked to leave: Redis has lost the marks, or may have."""
        for memory in self.memories.values():
            memory.draining.clear()

    def note_draining(self, pool: str, runners: set[str]) -> None:
        """Take in who is asked to leave already, as Redis tells after a restart."""
        memory = self._memory(pool)
        for pod in self.cache.pods_of(pool):
            if pod.name in runners:
                memory.draining.setdefault(pod.uid, time.monotonic())

    def _memory(self, name: str) -> PoolMemory:
        return self.memories.setdefault(name, PoolMemory(peak=PeakWindow(time.monotonic())))

    def _observe(self, view: PoolView, memory: PoolMemory) -> ObservedPool:
        name, now = view.pool.metadata.name, time.monotonic()
        jobs, pods = self.cache.jobs_of(name), self.cache.pods_of(name)
        paused = self._pausing(jobs)
        waiting = len(jobs.queued) - paused - self.tenant_limit.held(jobs.queued)
        claimed = {runner: len(keys) for runner, keys in jobs.by_runner.items()}
        self._judge_starts(pods, claimed, memory, now)
        living = {pod.uid for pod in pods}
        memory.draining = {uid: at for uid, at in memory.draining.items() if uid in living}
        draining = frozenset(pod.name for pod in pods if pod.uid in memory.draining)
        observed = ObservedPool(
            pool=view.pool,
            pods=tuple(pods),
            waiting=max(0, waiting),
            claimed=claimed,
            draining=draining,
            silent=self.silent_runners(),
            start_allowance=memory.guard.allowance(now),
            start_failure=memory.guard.reason,
            index_up=self.index.up,
        )
        alive = sum(has_capacity(observed, pod) for pod in pods)
        desired = desired_runners(view.pool, observed.waiting, sum(claimed.values()))
        memory.peak.note(now, desired)
        peak = memory.peak.peak(now, view.pool.spec.idle_seconds, alive)
        return ObservedPool(
            **{name: getattr(observed, name) for name in observed.__slots__ if name != "needed"},
            needed=peak,
        )

    def _pausing(self, jobs: PoolJobs) -> int:
        moment, count = clock.now(), 0
        for key in jobs.parked:
            view = self.cache.jobs.get(key)
            if view is None:
                continue
            due = view.job.status.next_attempt_time
            count += view.job.spec.suspend or (due is not None and due > moment)
        return count

    @staticmethod
    def _judge_starts(
        pods: list[PodView], claimed: dict[str, int], memory: PoolMemory, now: float
    ) -> None:
        for pod in pods:
            if pod.name in claimed and not pod.ended:
                memory.worked.add(pod.uid)
                memory.guard.worked()
            if memory.failed_at_start(pod):
                why = pod.end.message if pod.end else "It ended with an error."
                memory.guard.failed(now, f"The runner {pod.name} took no job. {why}")
            if pod.ended:
                memory.judged.add(pod.uid)
        living = {pod.uid for pod in pods}
        memory.judged &= living
        memory.worked &= living

    def _look_again(
        self, view: PoolView, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> float | None:
        now, moments = time.monotonic(), []
        if plan.status is not None and status_patch(
            view.pool.status.to_wire(), dated(view.pool.status, plan.status).to_wire()
        ):
            moments.append(memory.status_written + STATUS_SECONDS - now)
        if any(has_capacity(observed, pod) for pod in observed.pods):
            change = memory.peak.next_change(now, view.pool.spec.idle_seconds)
            if change is not None:
                moments.append(change)
            elif observed.needed > plan.desired or plan.drain:
                moments.append(1.0)
        if memory.guard.failures and observed.start_allowance == 0:
            moments.append(memory.guard.not_before - now)
        if memory.draining:
            moments.append(min(memory.draining.values()) + LEAVE_SECONDS - now)
        return max(0.05, min(moments)) if moments else None

    def figures(self) -> dict[str, PoolFigures]:
        """Return what the last decision about each pool saw, for the metrics."""
        return {name: memory.figures for name, memory in self.memories.items() if memory.figures}


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
