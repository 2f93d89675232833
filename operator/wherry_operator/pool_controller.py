"""One pool: observe, decide, carry out."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from wherry_core.resources import Condition, RunnerPool, RunnerPoolStatus
from wherry_operator import clock, metrics
from wherry_operator.cache import ClusterCache, PoolJobs, PoolView
from wherry_operator.cluster_metrics import PoolFigures
from wherry_operator.event_recorder import EventRecorder, Regarding
from wherry_operator.job_plan import Story, status_patch
from wherry_operator.kubernetes_api import (
    MERGE_PATCH,
    AlreadyExistsError,
    ConflictError,
    KubernetesApi,
    NotFoundError,
    RefusedError,
    pods_path,
    pools_path,
)
from wherry_operator.pod_view import PodView
from wherry_operator.pool_decision import plan_pool
from wherry_operator.pool_memory import PeakWindow, PoolMemory
from wherry_operator.pool_plan import ObservedPool, PoolPlan, desired_runners, has_capacity
from wherry_operator.pool_policies.status import UNSET
from wherry_operator.queue_index import QueueIndex
from wherry_operator.runner_pod import UnusableTemplateError, runner_pod
from wherry_operator.tenant_limit import TenantLimit

logger = logging.getLogger(__name__)

STATUS_SECONDS: Final = 5.0
"""Least pause between two writes of one pool's counts: they change with every job."""
LEAVE_SECONDS: Final = 60.0
"""A runner that was asked to leave and is still there after this time is deleted: it is idle."""


@dataclass
class PoolController:
    """Reconciles pools by name."""

    api: KubernetesApi
    cache: ClusterCache
    index: QueueIndex
    events: EventRecorder
    tenant_limit: TenantLimit
    namespace: str
    silent_runners: Callable[[], frozenset[str]]
    may_act: Callable[[], bool]
    take_pool: Callable[[dict[str, Any]], object]
    take_pod: Callable[[dict[str, Any]], object]
    drop_pod: Callable[[PodView], object]
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
        await self._execute(view, observed, plan, memory)
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
            if pod.failed and pod.uid not in memory.judged and pod.uid not in memory.worked:
                why = pod.end.message if pod.end else "It ended with an error."
                memory.guard.failed(now, f"The runner {pod.name} took no job. {why}")
            if pod.ended:
                memory.judged.add(pod.uid)
        living = {pod.uid for pod in pods}
        memory.judged &= living
        memory.worked &= living

    async def _execute(
        self, view: PoolView, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> None:
        for reason, message in plan.reasons:
            logger.info("%s: %s", reason, message, extra={"pool": view.pool.metadata.name})
        for name in plan.start:
            if not await self._start(view.pool, name, memory):
                break
        for pod in plan.delete:
            await self._delete(pod)
        name = view.pool.metadata.name
        by_name = {pod.name: pod for pod in observed.pods}
        for runner in plan.drain:
            if await self.index.drain(name, runner):
                memory.draining[by_name[runner].uid] = time.monotonic()
                if not by_name[runner].running:
                    await self._delete(by_name[runner])
        for runner in plan.retire:
            if await self.index.retire(name, runner):
                memory.draining[by_name[runner].uid] = time.monotonic()
        await self._end_stragglers(observed, memory)
        await self._write_status(view, plan, memory)

    async def _start(self, pool: RunnerPool, name: str, memory: PoolMemory) -> bool:
        """Create a runner pod; False when the pool's template or a quota does not allow it."""
        try:
            pod = runner_pod(pool, name)
            await self.index.forget_runner(pool.metadata.name, name)
            self.take_pod(await self.api.request("POST", pods_path(self.namespace), body=pod))
        except AlreadyExistsError:
            # Created by a decision before this one whose answer or event has not come yet.
            self.take_pod(await self.api.request("GET", pods_path(self.namespace, name)))
        except (UnusableTemplateError, RefusedError) as error:
            message = f"No runner pod can be created: {error}"[:1000]
            if memory.guard.reason != message:
                self._tell(pool, Story("RunnerRefused", message, warning=True))
                logger.error("%s", message, extra={"pool": pool.metadata.name})
            memory.guard.failed(time.monotonic(), message)
            return False
        else:
            metrics.PODS_STARTED.labels(pool=pool.metadata.name).inc()
        return True

    async def _delete(self, pod: PodView) -> None:
        body: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if pod.ended:
            # Nothing runs in it any more; its name is free at once.
            body["gracePeriodSeconds"] = 0
        try:
            answer = await self.api.request(
                "DELETE", pods_path(self.namespace, pod.name), body=body
            )
        except (NotFoundError, ConflictError):
            self.drop_pod(pod)
            return
        if answer.get("kind") == "Pod" and "deletionTimestamp" in answer["metadata"]:
            self.take_pod(answer)
        else:
            self.drop_pod(pod)

    async def _end_stragglers(self, observed: ObservedPool, memory: PoolMemory) -> None:
        """Delete runners that were asked to leave long ago, have no job and are still there."""
        now = time.monotonic()
        for pod in observed.pods:
            asked = memory.draining.get(pod.uid)
            if asked is None or pod.ended or pod.terminating or pod.name in observed.claimed:
                continue
            if now - asked >= LEAVE_SECONDS and await self.index.drain(pod.pool, pod.name):
                await self._delete(pod)

    async def _write_status(self, view: PoolView, plan: PoolPlan, memory: PoolMemory) -> None:
        if plan.status is None:
            return
        old, new = view.pool.status, _dated(view.pool.status, plan.status)
        patch = status_patch(old.to_wire(), new.to_wire())
        if not patch:
            return
        now = time.monotonic()
        urgent = "conditions" in patch or "observedGeneration" in patch
        if not urgent and now - memory.status_written < STATUS_SECONDS:
            return
        pool = view.pool
        body = {"metadata": {"resourceVersion": view.resource_version}, "status": patch}
        path = pools_path(self.namespace, pool.metadata.name, "status")
        try:
            answer = await self.api.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        except NotFoundError:
            return
        except ConflictError:
            metrics.STATUS_CONFLICTS.inc()
            answer = await self.api.request("GET", pools_path(self.namespace, pool.metadata.name))
        else:
            memory.status_written = now
            self._tell_conditions(pool, old, new)
        self.take_pool(answer)

    def _tell_conditions(
        self, pool: RunnerPool, old: RunnerPoolStatus, new: RunnerPoolStatus
    ) -> None:
        before = {each.type: (each.status, each.reason) for each in old.conditions}
        for condition in new.conditions:
            worth_telling = condition.type in {"Unschedulable", "Paused"} or condition.reason in {
                "RunnersFail",
                "RunnersDoNotStart",
            }
            if worth_telling and before.get(condition.type) != (
                condition.status,
                condition.reason,
            ):
                warning = condition.type == "Unschedulable" and condition.status == "True"
                warning = warning or condition.type == "Available"
                self._tell(pool, Story(condition.reason, condition.message, warning=warning))

    def _tell(self, pool: RunnerPool, story: Story) -> None:
        metadata = pool.metadata
        self.events.record(
            Regarding("RunnerPool", metadata.namespace, metadata.name, metadata.uid), story
        )

    def _look_again(
        self, view: PoolView, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> float | None:
        now, moments = time.monotonic(), []
        if plan.status is not None and status_patch(
            view.pool.status.to_wire(), _dated(view.pool.status, plan.status).to_wire()
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


def _dated(old: RunnerPoolStatus, new: RunnerPoolStatus) -> RunnerPoolStatus:
    """Give conditions that the decision set anew the present time."""
    known = {(each.type, each.status): each.last_transition_time for each in old.conditions}
    moment = clock.now().replace(microsecond=0)

    def dated(condition: Condition) -> Condition:
        if condition.last_transition_time != UNSET:
            return condition
        since = known.get((condition.type, condition.status), moment)
        return condition.model_copy(update={"last_transition_time": since})

    return new.model_copy(update={"conditions": tuple(dated(each) for each in new.conditions)})
