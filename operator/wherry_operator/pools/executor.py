"""Carries out the plan for a pool. All writes that concern a pool are here."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    RefusedError,
)
from wherry_core.kubernetes.paths import pods_path, pools_path
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import Condition, RunnerPool, RunnerPoolStatus
from wherry_operator import metrics
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.cache import PoolView
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.pod_view import PodView
from wherry_operator.merge_patch import merge_patch
from wherry_operator.pools import events as pool_events
from wherry_operator.pools.memory import PoolMemory
from wherry_operator.pools.plan import ObservedPool, PoolPlan, occupies
from wherry_operator.pools.policies.status import UNSET
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.runner_pod import UnusableTemplateError, runner_pod

logger = logging.getLogger(__name__)

KIND: Final = "RunnerPool"
STATUS_SECONDS: Final = 5.0
"""Shortest time between two writes of a pool's counts, which change with every job."""
LEAVE_SECONDS: Final = 60.0
"""Seconds after which an idle runner that was asked to leave is deleted."""
MAX_REFUSAL_LENGTH: Final = 1_000


@dataclass(frozen=True)
class PoolExecutor:
    """Carries out plans about pools."""

    kubernetes: KubernetesClient
    index: QueueIndex
    events: EventRecorder
    intake: ClusterIntake
    namespace: str
    release: str
    """Release of the keys in Redis, which runner pods are given."""

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
                self._record(view.pool, event)
        await self._ask_to_leave(view.pool, observed, plan, memory)
        await self._delete_stragglers(observed, memory)
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
                self._record(pool, pool_events.started(started, plan.desired))

    async def _start(self, pool: RunnerPool, name: str, memory: PoolMemory) -> bool:
        """Create a runner pod; False when the pool's template or a quota does not allow it."""
        try:
            pod = runner_pod(pool, name, self.release)
            created = await self.kubernetes.request("POST", pods_path(self.namespace), body=pod)
        except AlreadyExistsError:
            # An earlier decision created it, and neither its answer nor its event has arrived.
            created = await self.kubernetes.request("GET", pods_path(self.namespace, name))
        except (UnusableTemplateError, RefusedError) as error:
            message = f"No runner pod can be created: {error}"[:MAX_REFUSAL_LENGTH]
            if memory.guard.reason != message:
                self._record(pool, pool_events.refused(message))
                logger.error("%s", message, extra={"pool": pool.metadata.name})
            memory.guard.failed(time.monotonic(), message)
            return False
        else:
            metrics.PODS_STARTED.labels(pool=pool.metadata.name).inc()
        self.intake.take_pod(created)
        return True

    async def _ask_to_leave(
        self, pool: RunnerPool, observed: ObservedPool, plan: PoolPlan, memory: PoolMemory
    ) -> None:
        by_name = {pod.name: pod for pod in observed.pods}
        ids = {pod.name: _id(pod) for pod in observed.pods}
        where = pool.metadata.name
        drained = [name for name in plan.drain if await self.index.drain(where, ids[name])]
        retired = [name for name in plan.retire if await self.index.retire(where, ids[name])]
        for name in (*drained, *retired):
            pod = by_name[name]
            memory.draining[pod.uid] = time.monotonic()
            if not pod.running:
                await self._delete(pod)
        if drained:
            self._record(pool, pool_events.drained(drained, plan.desired))
        if retired:
            self._record(pool, pool_events.retired(retired))

    async def _delete(self, pod: PodView) -> None:
        body: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if pod.ended:
            # Nothing runs in it any more, so its name can be free at once.
            body["gracePeriodSeconds"] = 0
        try:
            answer = await self.kubernetes.request(
                "DELETE", pods_path(self.namespace, pod.name), body=body
            )
        except NotFoundError:
            self.intake.drop_pod(pod.name, pod.uid)
            return
        except ConflictError:
            # Either the precondition does not hold, or something else refuses the deletion.
            if not await self._is_gone(pod):
                raise
            self.intake.drop_pod(pod.name, pod.uid)
            return
        if answer.get("kind") == "Pod" and "deletionTimestamp" in answer["metadata"]:
            self.intake.take_pod(answer)
        else:
            self.intake.drop_pod(pod.name, pod.uid)

    async def _is_gone(self, pod: PodView) -> bool:
        try:
            found = await self.kubernetes.request("GET", pods_path(self.namespace, pod.name))
        except NotFoundError:
            return True
        return bool(found["metadata"]["uid"] != pod.uid)

    async def _delete_stragglers(self, observed: ObservedPool, memory: PoolMemory) -> None:
        """Delete idle runners that were asked to leave long ago and have not left."""
        now = time.monotonic()
        for pod, asked_at in idle_leavers(observed, memory):
            if now - asked_at >= LEAVE_SECONDS and await self.index.drain(pod.pool, _id(pod)):
                await self._delete(pod)

    async def _write_status(self, view: PoolView, plan: PoolPlan, memory: PoolMemory) -> None:
        if plan.status is None:
            return
        pool, old = view.pool, view.pool.status
        patch = status_change(old, plan.status, self.kubernetes.clock.now())
        if not patch:
            return
        now = time.monotonic()
        urgent = "conditions" in patch or "observedGeneration" in patch
        if not urgent and now - memory.status_written < STATUS_SECONDS:
            return
        body = {"metadata": {"resourceVersion": view.resource_version}, "status": patch}
        path = pools_path(self.namespace, pool.metadata.name, "status")
        try:
            answer = await self.kubernetes.patch(path, body)
        except NotFoundError:
            return
        except ConflictError:
            metrics.STATUS_CONFLICTS.inc()
            answer = await self.kubernetes.request(
                "GET", pools_path(self.namespace, pool.metadata.name)
            )
        else:
            memory.status_written = now
            for event in pool_events.of_conditions(old, plan.status):
                self._record(pool, event)
        self.intake.take_pool(answer)

    def _record(self, pool: RunnerPool, event: Event) -> None:
        metadata = pool.metadata
        self.events.record(Regarding(KIND, metadata.namespace, metadata.name, metadata.uid), event)


def idle_leavers(observed: ObservedPool, memory: PoolMemory) -> Iterator[tuple[PodView, float]]:
    """Yield the runners that were asked to leave and have no job, and since when."""
    for pod in observed.pods:
        asked_at = memory.draining.get(pod.uid)
        if asked_at is not None and occupies(pod) and pod.name not in observed.claimed:
            yield pod, asked_at


def status_change(old: RunnerPoolStatus, new: RunnerPoolStatus, now: datetime) -> dict[str, Any]:
    """Return the merge patch from ``old`` to ``new``, with ``now`` in conditions that change."""
    known = {(each.type, each.status): each.last_transition_time for each in old.conditions}
    moment = now.replace(microsecond=0)

    def with_time(condition: Condition) -> Condition:
        if condition.last_transition_time != UNSET:
            return condition
        since = known.get((condition.type, condition.status), moment)
        return condition.model_copy(update={"last_transition_time": since})

    dated = new.model_copy(update={"conditions": tuple(with_time(each) for each in new.conditions)})
    return merge_patch(old.to_wire(), dated.to_wire())


def _id(pod: PodView) -> RunnerId:
    return RunnerId(pod.name, pod.uid)
