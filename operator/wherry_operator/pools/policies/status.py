"""What the pool's status says."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from wherry_core.resources import (
    Condition,
    ConditionStatus,
    RunnerPool,
    RunnerPoolStatus,
    set_condition,
)
from wherry_operator.intake.pod_view import POOL_LABEL
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity, occupies

UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for the time of the write in a new condition: a decision does not know it."""


PAUSED: Final = "PoolPaused"
MAX_RUNNERS_ZERO: Final = "MaxRunnersZero"


def describe(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Set the status that the pool should have; the same as before when nothing changed."""
    pool = observed.pool
    living = [pod for pod in observed.pods if occupies(pod)]
    conditions = pool.status.conditions
    for condition in (
        _available(observed, plan),
        _unschedulable(observed),
        _limited(observed, plan),
        _paused(observed),
    ):
        known = next((each for each in conditions if each.type == condition.type), None)
        if (
            known is None
            and condition.status == ConditionStatus.FALSE
            and (condition.type != "Available")
        ):
            continue
        if known is None or _content(known) != _content(condition):
            conditions = set_condition(conditions, condition)
    status = RunnerPoolStatus(
        observed_generation=pool.metadata.generation,
        desired_runners=plan.desired,
        runners=len(living),
        ready_runners=sum(pod.ready for pod in living),
        busy_runners=sum(pod.name in observed.claimed for pod in living),
        waiting_jobs=observed.waiting,
        claimed_jobs=sum(observed.claimed.values()),
        selector=f"{POOL_LABEL}={pool.metadata.name}",
        conditions=conditions,
    )
    return replace(plan, status=status)


def _content(condition: Condition) -> tuple[str, str, str]:
    return (condition.status, condition.reason, condition.message)


def _condition(pool: RunnerPool, kind: str, value: bool, reason: str, message: str) -> Condition:
    return Condition(
        type=kind,
        status=ConditionStatus.TRUE if value else ConditionStatus.FALSE,
        reason=reason,
        message=message[:1024],
        last_transition_time=UNSET,
        observed_generation=pool.metadata.generation,
    )


def _available(observed: ObservedPool, plan: PoolPlan) -> Condition:
    pool = observed.pool
    alive = [pod for pod in observed.pods if has_capacity(observed, pod)]
    if any(pod.ready for pod in alive):
        return _condition(pool, "Available", True, "RunnersReady", "Runners take jobs.")
    if observed.waiting and plan.desired == 0:
        return _condition(pool, "Available", False, *_why_none_is_desired(pool))
    if observed.start_failure:
        return _condition(pool, "Available", False, "RunnersFail", observed.start_failure)
    stuck = next((pod for pod in alive if pod.stuck), None)
    if stuck is not None:
        message = f"The runner {stuck.name} does not start: {stuck.stuck}"
        return _condition(pool, "Available", False, "RunnersDoNotStart", message)
    if plan.desired == 0:
        message = "No job waits, and no runner is needed."
        return _condition(pool, "Available", True, "ScaledToZero", message)
    return _condition(pool, "Available", False, "RunnersStart", "Runners are being started.")


def _why_none_is_desired(pool: RunnerPool) -> tuple[str, str]:
    if pool.spec.paused:
        return PAUSED, "Jobs wait, and no runner is started, for spec.paused is set."
    message = (
        "Jobs wait, and no runner may be started, for maxRunners is 0. To raise it: kubectl scale "
        f"rpool {pool.metadata.name} -n {pool.metadata.namespace} --replicas=10"
    )
    return MAX_RUNNERS_ZERO, message


def _unschedulable(observed: ObservedPool) -> Condition:
    waiting = [pod for pod in observed.pods if occupies(pod) and pod.unschedulable]
    if not waiting:
        message = "Every runner has found a node."
        return _condition(observed.pool, "Unschedulable", False, "RunnersScheduled", message)
    count = len(waiting)
    who = "A runner finds" if count == 1 else f"{count} runners find"
    message = f"{who} no node: {waiting[0].unschedulable}"
    return _condition(observed.pool, "Unschedulable", True, "NoNode", message)


def _limited(observed: ObservedPool, plan: PoolPlan) -> Condition:
    spec = observed.pool.spec
    jobs = observed.waiting + sum(observed.claimed.values())
    if not spec.paused and jobs > spec.max_runners * spec.concurrency:
        message = f"maxRunners is {spec.max_runners}, and more jobs wait than these can take."
        return _condition(observed.pool, "ScalingLimited", True, "MaxRunners", message)
    return _condition(observed.pool, "ScalingLimited", False, "WithinBounds", "Within the bounds.")


def _paused(observed: ObservedPool) -> Condition:
    if observed.pool.spec.paused:
        message = "spec.paused is set: no runner is started, and idle ones leave."
        return _condition(observed.pool, "Paused", True, "PausedBySpec", message)
    return _condition(observed.pool, "Paused", False, "NotPaused", "The pool is not paused.")
