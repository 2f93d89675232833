"""Replacing runners whose template has changed."""

from dataclasses import replace
from typing import Final

from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity, occupies

TEMPLATE_CHANGED: Final = "TemplateChanged"


def replace_old_runners(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Ask one runner of an old template after the other to leave, idle ones first.

    A busy one is only asked to take no more jobs. The next one waits until the one before has
    left and its replacement runs, so that a template that does not start stops the rollout.
    """
    if not observed.index_up or plan.drain:
        return plan
    old = [
        pod
        for pod in observed.pods
        if has_capacity(observed, pod) and pod.template_hash != observed.template_hash
    ]
    if not old:
        return plan
    unsettled = any(
        occupies(pod)
        and (
            pod.name in observed.draining
            or (not pod.ready and pod.template_hash == observed.template_hash)
        )
        for pod in observed.pods
    )
    if unsettled or plan.start:
        return plan
    reasons = (
        *plan.reasons,
        (TEMPLATE_CHANGED, f"{len(old)} runners have an old template and are replaced in turn."),
    )
    idle = [pod.name for pod in old if pod.name not in observed.claimed]
    if idle:
        return replace(plan, drain=(idle[0],), reasons=reasons)
    least_busy = min(old, key=lambda pod: (observed.claimed[pod.name], pod.name))
    return replace(plan, retire=(least_busy.name,), reasons=reasons)
