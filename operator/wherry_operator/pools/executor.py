"""Carrying out what was decided about a pool: the only place that writes for it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wherry_core.resources import Condition, RunnerPool, RunnerPoolStatus
from wherry_operator import clock, metrics
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.cache import PoolView
from wherry_operator.intake.pod_view import PodView
from wherry_operator.jobs.plan import status_patch
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
from wherry_operator.pools import events as pool_events
from wherry_operator.pools.memory import PoolMemory
from wherry_operator.pools.plan import ObservedPool, PoolPlan
from wherry_operator.pools.policies.rollout import TEMPLATE_CHANGED
from wherry_operator.pools.policies.status import MAX_RUNNERS_ZERO, UNSET
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.runner_pod import UnusableTemplateError, runner_pod

logger = logging.getLogger(__name__)

STATUS_SECONDS: Final = 5.0
"""Least pause between two writes of one pool's counts: they change with every job."""
LEAVE_SECONDS: Final = 60.0
"""A runner that was asked to leave and is still there after this time is deleted: it is idle."""


@dataclass(frozen=True)
class PoolExecutor:
    """Carries out plans about pools."""

    api: KubernetesApi
    index: QueueIndex
    events: EventRecorder
    namespace: str
    take_pool: Callable[[dict[str, Any]], object]
    """Takes an answer of the API server into the cache."""
    take_pod: Callable[[dict[str, Any]], object]
    drop_pod: Callable[[PodView], object]
    """Takes a pod that is gone out of the cache."""

    async def execute(
        self, view: PoolView, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> None:
        """Do what ``plan`` says about a pool.

        Raises KubernetesError; a later try starts from what is there then.
        """
        for reason, message in plan.reasons:
            logger.info("%s: %s", reason, message, extra={"pool": view.pool.metadata.name})
        await self._start_all(view.pool, plan, memory)
        for pod in plan.delete:
            await self._delete(pod)
            if (event := pool_events.ended(pod)) is not None:
                self._tell(view.pool, event)
        await self._ask_to_leave(view.pool, observed, plan, memory)
        await self._end_stragglers(observed, memory)
        await self._write_status(view, plan, memory)

    async def _start_all(self, pool: RunnerPool, plan: PoolPlan, memory: PoolMemory) -> None:
        started: list[str] = []
        try:
            for name in plan.start:
                if not await self._start(pool, name, memory):
                    break
                started.append(name)
        finally:
            if started:
                self._tell(pool, pool_events.started(started, plan.desired))

    async def _ask_to_leave(
        self, pool: RunnerPool, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> None:
        name = pool.metadata.name
        by_name = {pod.name: pod for pod in observed.pods}
        drained: list[str] = []
        retired: list[str] = []
        for runner in plan.drain:
            if await self.index.drain(name, runner):
                drained.append(runner)
                memory.draining[by_name[runner].uid] = time.monotonic()
                if not by_name[runner].running:
                    await self._delete(by_name[runner])
        for runner in plan.retire:
            if await self.index.retire(name, runner):
                retired.append(runner)
                memory.draining[by_name[runner].uid] = time.monotonic()
        if drained:
            old_template = any(reason == TEMPLATE_CHANGED for reason, _ in plan.reasons)
            event = pool_events.drained(drained, plan.desired, old_template=old_template)
            self._tell(pool, event)
        if retired:
            self._tell(pool, pool_events.retired(retired))

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
                self._tell(pool, Event("RunnerRefused", message, warning=True))
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
        except NotFoundError:
            self.drop_pod(pod)
            return
        except ConflictError:
            # The precondition failed, or something on the way refused it: only a look tells.
            if not await self._is_gone(pod):
                raise
            self.drop_pod(pod)
            return
        if answer.get("kind") == "Pod" and "deletionTimestamp" in answer["metadata"]:
            self.take_pod(answer)
        else:
            self.drop_pod(pod)

    async def _is_gone(self, pod: PodView) -> bool:
        try:
            found = await self.api.request("GET", pods_path(self.namespace, pod.name))
        except NotFoundError:
            return True
        return bool(found["metadata"]["uid"] != pod.uid)

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
        old, new = view.pool.status, dated(view.pool.status, plan.status)
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
                MAX_RUNNERS_ZERO,
            }
            if worth_telling and before.get(condition.type) != (
                condition.status,
                condition.reason,
            ):
                warning = condition.type == "Unschedulable" and condition.status == "True"
                warning = warning or condition.type == "Available"
                self._tell(pool, Event(condition.reason, condition.message, warning=warning))

    def _tell(self, pool: RunnerPool, event: Event) -> None:
        metadata = pool.metadata
        self.events.record(
            Regarding("RunnerPool", metadata.namespace, metadata.name, metadata.uid), event
        )


def dated(old: RunnerPoolStatus, new: RunnerPoolStatus) -> RunnerPoolStatus:
    """Give conditions that the decision set anew the present time."""
    known = {(each.type, each.status): each.last_transition_time for each in old.conditions}
    moment = clock.now().replace(microsecond=0)

    def with_time(condition: Condition) -> Condition:
        if condition.last_transition_time != UNSET:
            return condition
        since = known.get((condition.type, condition.status), moment)
        return condition.model_copy(update={"last_transition_time": since})

    return new.model_copy(update={"conditions": tuple(with_time(each) for each in new.conditions)})
