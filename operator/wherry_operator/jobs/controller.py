"""One job: observe, decide, carry out."""

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import ConflictError, NotFoundError
from wherry_core.kubernetes.paths import jobs_path
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache, Kind
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import Loss
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.completions import Completions
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.explanations import ExplanationBudget, StaleExplanations
from wherry_operator.jobs.plan import JobPlan, JobRules, ObservedJob, QueueChange
from wherry_operator.jobs.policies import plan_job
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.leadership import Leadership
from wherry_operator.reconciler import WorkQueue
from wherry_operator.runners.lost_runners import LostRunners

CONFLICT_TRIES: Final = 8
"""Tries in a row of a decision whose job keeps changing."""
SHORTEST_PAUSE_SECONDS: Final = 0.01


@dataclass
class JobController:
    """Reconciles jobs by key (``namespace/name``)."""

    kubernetes: KubernetesClient
    cache: ClusterCache
    intake: ClusterIntake
    executor: JobExecutor
    completions: Completions
    rules: JobRules
    tenant_limit: TenantLimit
    lost_runners: LostRunners
    stale: StaleExplanations
    leadership: Leadership
    pools: WorkQueue
    budget: ExplanationBudget = field(default_factory=ExplanationBudget)

    async def reconcile(self, key: str) -> float | None:
        """Do what has to be done about a job; return the seconds until the next decision."""
        view = self.cache.jobs.get(key)
        if view is None or not self.leadership.may_act():
            self.budget.release(key)
            return None
        with job_traces.within(view):
            return await self._reconcile(view)

    async def _reconcile(self, view: JobView) -> float | None:
        for tries_left in reversed(range(CONFLICT_TRIES)):
            try:
                return await self._decide_once(view)
            except ConflictError:
                # At once, because a decision that waits in the queue again may be outdated again.
                metrics.STATUS_CONFLICTS.inc()
                if tries_left == 0:
                    raise
            except NotFoundError as error:
                if not error.concerns(view.job.metadata.name):
                    raise
                self.intake.drop_job(view.key, view.uid)
                return None
            newest = await self._read_again(view)
            if newest is None:
                return None
            view = newest
        return None

    async def _decide_once(self, view: JobView) -> float | None:
        observed = self._observe(view, await self.lost_runners.loss(view))
        was_in_queue = self.executor.index.entry_of(view.key) is not None
        plan = self._within_budget(view, plan_job(observed))
        await self.executor.execute(view, plan)
        if plan.explanation is not None and plan.status is not None:
            self.budget.written(view.key, time.monotonic())
        if plan.queue is QueueChange.PUT and not was_in_queue:
            self.pools.add(view.pool)
        if self.completions.pending(view):
            await self.completions.announce(view)
        return self._seconds_until_next(plan)

    def _observe(self, view: JobView, loss: Loss | None) -> ObservedJob:
        pool = self.cache.pools.get(view.pool)
        return ObservedJob(
            job=view.job,
            files=view.files,
            now=self.kubernetes.clock.now(),
            rules=self.rules,
            pool_exists=pool is not None or self.cache.is_unreadable(Kind.POOL, view.pool),
            loss=loss,
            held=self.tenant_limit.holds(view),
            pool=pool.pool if pool else None,
            redis_unavailable=self.stale.redis_unavailable,
        )

    def _within_budget(self, view: JobView, plan: JobPlan) -> JobPlan:
        """Return ``plan`` with its explanation written now, or later when the budget is used up."""
        explanation = plan.explanation
        if explanation is None:
            self.budget.release(view.key)
            return plan
        pause = self.budget.seconds_until_allowed(
            view.key, time.monotonic(), first=explanation.first
        )
        if pause <= 0:
            return replace(plan, status=explanation.status, event=plan.event or explanation.event)
        moment = self.kubernetes.clock.now() + timedelta(seconds=pause)
        return replace(plan, requeue_at=min(moment, plan.requeue_at or moment))

    def _seconds_until_next(self, plan: JobPlan) -> float | None:
        if plan.requeue_at is None:
            return None
        pause = (plan.requeue_at - self.kubernetes.clock.now()).total_seconds()
        return max(SHORTEST_PAUSE_SECONDS, pause)

    async def _read_again(self, view: JobView) -> JobView | None:
        """Return the newest view of a job, or None when it is gone."""
        metadata = view.job.metadata
        try:
            return self.intake.take_job(
                await self.kubernetes.request("GET", jobs_path(metadata.namespace, metadata.name))
            )
        except NotFoundError as error:
            if not error.concerns(metadata.name):
                raise
            self.intake.drop_job(view.key, view.uid)
            return None
