"""One job: observe, decide, carry out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wherry_core.resources import Phase
from wherry_operator import clock, job_traces
from wherry_operator.cache import ClusterCache
from wherry_operator.job_decision import plan_job
from wherry_operator.job_execution import JobExecutor
from wherry_operator.job_plan import JobRules, ObservedJob, QueueChange
from wherry_operator.job_view import JobView
from wherry_operator.kubernetes_api import KubernetesApi, NotFoundError, pods_path
from wherry_operator.pod_view import Loss
from wherry_operator.tenant_limit import TenantLimit


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
            return None
        with job_traces.within(view):
            return await self._reconcile(view)

    async def _reconcile(self, view: JobView) -> float | None:
        plan = plan_job(await self._observe(view), clock.now())
        await self.executor.execute(view, plan)
        if plan.queue is QueueChange.PUT:
            self.plan_pool(view.pool)
        if view.key in self.completed and view.job.status.phase is Phase.COMPLETED:
            self.completed.discard(view.key)
            await self.executor.announce_completion(view)
        if plan.look_again is None:
            return None
        return max(0.01, (plan.look_again - clock.now()).total_seconds())

    async def _observe(self, view: JobView) -> ObservedJob:
        return ObservedJob(
            job=view.job,
            files=view.files,
            rules=self.rules,
            pool_exists=view.pool in self.cache.pools,
            loss=await self._loss(view),
            held=self.tenant_limit.holds(view),
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
