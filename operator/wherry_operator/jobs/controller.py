"""One job: observe, decide, carry out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wherry_core.resources import Phase
from wherry_operator import clock
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import Loss
from wherry_operator.jobs import traces as job_traces
from wherry_operator.jobs.decision import plan_job
from wherry_operator.jobs.executor import JobExecutor
from wherry_operator.jobs.plan import JobPlan, JobRules, Note, ObservedJob, QueueChange
from wherry_operator.jobs.policies.waiting import wants_note
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.jobs.waiting_notes import WaitingNotes
from wherry_operator.kubernetes_api import KubernetesApi, NotFoundError, pods_path


@dataclass
class JobController:
    """Reconciles jobs by key (``namespace/name``)."""

    api: KubernetesApi
    cache: ClusterCache
    executor: JobExecutor
    rules: JobRules
    tenant_limit: TenantLimit
    namespace: str
    """Namespace of the runner pods."""
    heartbeat_timeout: float
    silent_runners: Callable[[], frozenset[str]]
    may_act: Callable[[], bool]
    take_pod: Callable[[dict[str, Any]], object]
    plan_pool: Callable[[str], None]
    notes: WaitingNotes
    completed: set[str] = field(default_factory=set)
    """Jobs that were seen to become Completed and have not been announced yet."""

    def forget_announced(self, until: datetime | None) -> None:
        """Drop the completions that another replica has announced: those before ``until``."""
        if until is None:
            return
        moment = until.replace(microsecond=0)
        ends = {key: self._completion_time(key) for key in self.completed}
        self.completed.intersection_update(
            key for key, ended in ends.items() if ended and ended >= moment
        )

    def _completion_time(self, key: str) -> datetime | None:
        view = self.cache.jobs.get(key)
        return view.job.status.completion_time if view else None

    async def reconcile(self, key: str) -> float | None:
        """Do what is to be done about a job; return when to look again, in seconds."""
        view = self.cache.jobs.get(key)
        if view is None or not self.may_act():
            self.notes.end_turn(key)
            return None
        with job_traces.within(view):
            return await self._reconcile(view)

    async def _reconcile(self, view: JobView) -> float | None:
        plan = plan_job(self._observe(view, await self._loss(view)), clock.now())
        was_in_queue = self.executor.index.place_of(view.key) is not None
        await self.executor.execute(view, plan)
        self._note(view.key, plan)
        if plan.queue is QueueChange.PUT and not was_in_queue:
            self.plan_pool(view.pool)
        if view.key in self.completed and view.job.status.phase is Phase.COMPLETED:
            self.completed.discard(view.key)
            await self.executor.announce_completion(view)
        if plan.look_again is None:
            return None
        return max(0.01, (plan.look_again - clock.now()).total_seconds())

    def wants_note(self, key: str) -> bool:
        """Return whether a waiting job is to be told why it waits, or to be told otherwise."""
        view = self.cache.jobs.get(key)
        return view is not None and wants_note(self._observe(view, None), clock.now())

    def _note(self, key: str, plan: JobPlan) -> None:
        if plan.note is Note.WANTED:
            self.notes.ask(key)
        elif plan.note is Note.NONE:
            self.notes.end_turn(key)
        elif not self.wants_note(key):
            # Else the write came too late: the next decision makes it, or finds it needless.
            self.notes.told(key, time.monotonic())

    def _observe(self, view: JobView, loss: Loss | None) -> ObservedJob:
        pool = self.cache.pools.get(view.pool)
        return ObservedJob(
            job=view.job,
            files=view.files,
            rules=self.rules,
            pool_exists=pool is not None,
            loss=loss,
            held=self.tenant_limit.holds(view),
            pool=pool.pool if pool else None,
            redis_away=self.notes.redis_away,
            may_explain=self.notes.has_turn(view.key),
        )

    async def _loss(self, view: JobView) -> Loss | None:
        runner = view.claimed_by
        if runner is None:
            return None
        pod = self.cache.pods.get(runner)
        if pod is None:
            # The job's watch may be ahead of the pods' watch, so absence is asked for.
            try:
                self.take_pod(await self.api.request("GET", pods_path(self.namespace, runner)))
            except NotFoundError:
                return Loss("RunnerGone", f"The runner {runner} is gone.")
            pod = self.cache.pods.get(runner)
        if pod is not None and pod.ended:
            return pod.end
        if runner in self.silent_runners():
            return Loss(
                "RunnerSilent",
                f"The runner {runner} was not heard of for {self.heartbeat_timeout:g} seconds.",
            )
        return None
