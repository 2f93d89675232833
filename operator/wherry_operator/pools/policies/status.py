"""The status of a pool: its counts and conditions."""

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
from wherry_core.resources.names import POOL_LABEL, PoolCondition, PoolReason
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity, occupies

UNSET: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Transition time of a new condition in a plan; the executor replaces it by the present time."""
MAX_MESSAGE_LENGTH: Final = 1024


def describe(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Set the status that the pool should have; the same as before when nothing has changed."""
    pool = observed.pool
    present = [pod for pod in observed.pods if occupies(pod)]
    conditions = pool.status.conditions
    for condition in (
        _available(observed, plan),
        _unschedulable(observed),
        _limited(observed),
        _paused(observed),
    ):
        known = next((each for each in conditions if each.type == condition.type), None)
        never_held = known is None and condition.status == ConditionStatus.FALSE
        if never_held and condition.type != PoolCondition.AVAILABLE:
            continue
        if known is None or _content(known) != _content(condition):
            conditions = set_condition(conditions, condition)
    status = RunnerPoolStatus(
        observed_generation=pool.metadata.generation,
        desired_runners=plan.desired,
        runners=len(present),
        ready_runners=sum(pod.ready for pod in present),
        busy_runners=sum(pod.name in observed.claimed for pod in present),
        waiting_jobs=observed.waiting,
        claimed_jobs=sum(observed.claimed.values()),
        selector=f"{POOL_LABEL}={pool.metadata.name}",
        conditions=conditions,
    )
    return replace(plan, status=status)


def _content(condition: Condition) -> tuple[str, str, str]:
    return (condition.status, condition.reason, condition.message)


def _condition(
    pool: RunnerPool, kind: PoolCondition, value: bool, reason: PoolReason, message: str
) -> Condition:
    return Condition(
        type=kind.value,
        status=ConditionStatus.TRUE if value else ConditionStatus.FALSE,
        reason=reason.value,
        message=message[:MAX_MESSAGE_LENGTH],
        last_transition_time=UNSET,
        observed_generation=pool.metadata.generation,
    )


def _available(observed: ObservedPool, plan: PoolPlan) -> Condition:
    value, reason, message = _availability(observed, plan)
    return _condition(observed.pool, PoolCondition.AVAILABLE, value, reason, message)


def _availability(observed: ObservedPool, plan: PoolPlan) -> tuple[bool, PoolReason, str]:
    staying = [pod for pod in observed.pods if has_capacity(observed, pod)]
    if any(pod.ready for pod in staying):
        return True, PoolReason.RUNNERS_READY, "Runners take jobs."
    if observed.waiting and plan.desired == 0:
        return False, *_why_none_is_desired(observed.pool)
    if observed.start_failure:
        return False, PoolReason.RUNNERS_FAIL, observed.start_failure
    stuck = next((pod for pod in staying if pod.stuck), None)
    if stuck is not None:
        message = f"The runner {stuck.name} does not start: {stuck.stuck}"
        return False, PoolReason.RUNNERS_DO_NOT_START, message
    if plan.desired == 0:
        return True, PoolReason.SCALED_TO_ZERO, "No job waits, and no runner is needed."
    if not staying and sum(map(occupies, observed.pods)) >= observed.pool.spec.max_runners:
        message = (
            "All runners that maxRunners allows are leaving. New ones are started as soon as these "
            "have completed their jobs."
        )
        return False, PoolReason.RUNNERS_START, message
    return False, PoolReason.RUNNERS_START, "Runners are being started."


def _why_none_is_desired(pool: RunnerPool) -> tuple[PoolReason, str]:
    name, namespace = pool.metadata.name, pool.metadata.namespace
    if pool.spec.paused:
        message = (
            "Jobs wait, and no runner is started because spec.paused is true. To resume the pool, "
            "set it to false."
        )
        return PoolReason.POOL_PAUSED, message
    message = (
        "Jobs wait, and no runner is started because maxRunners is 0. To raise it: "
        f"kubectl scale rpool {name} -n {namespace} --replicas=10"
    )
    return PoolReason.MAX_RUNNERS_ZERO, message


def _unschedulable(observed: ObservedPool) -> Condition:
    waiting = [pod for pod in observed.pods if occupies(pod) and pod.unschedulable]
    kind = PoolCondition.UNSCHEDULABLE
    if not waiting:
        message = "Every runner has found a node."
        return _condition(observed.pool, kind, False, PoolReason.RUNNERS_SCHEDULED, message)
    count = len(waiting)
    who = "A runner finds" if count == 1 else f"{count} runners find"
    message = f"{who} no node: {waiting[0].unschedulable}"
    return _condition(observed.pool, kind, True, PoolReason.NO_NODE, message)


def _limited(observed: ObservedPool) -> Condition:
    spec, kind = observed.pool.spec, PoolCondition.SCALING_LIMITED
    jobs = observed.waiting + sum(observed.claimed.values())
    if not spec.paused and jobs > spec.max_runners * spec.concurrency:
        message = f"maxRunners is {spec.max_runners}, and more jobs wait than these runners take."
        return _condition(observed.pool, kind, True, PoolReason.MAX_RUNNERS, message)
    message = "The jobs need no more runners than maxRunners allows."
    return _condition(observed.pool, kind, False, PoolReason.WITHIN_BOUNDS, message)


def _paused(observed: ObservedPool) -> Condition:
    pool, kind = observed.pool, PoolCondition.PAUSED
    if pool.spec.paused:
        message = "spec.paused is true: no runner is started, and idle runners leave."
        return _condition(pool, kind, True, PoolReason.PAUSED_BY_SPEC, message)
    return _condition(pool, kind, False, PoolReason.NOT_PAUSED, "The pool is not paused.")
