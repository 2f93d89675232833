"""Runners whose template has changed are replaced."""

from dataclasses import replace
from typing import Final

from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity

TEMPLATE_CHANGED: Final = "TemplateChanged"


def retire_old_runners(observed: ObservedPool, plan: PoolPlan) -> PoolPlan | None:
    """Ask all runners of an old template to take no more jobs, and to leave when they are idle.

    Jobs that they have are completed. The next decision starts runners of the new template; if it
    is broken, the pool has no capacity, and its condition Available says why.
    """
    if not observed.index_up:
        return None
    present = observed.template_hash
    old = tuple(
        pod.name
        for pod in observed.pods
        if has_capacity(observed, pod)
        and pod.name not in plan.drain
        and pod.template_hash != present
    )
    if not old:
        return None
    message = f"These runners have an old template and are replaced: {', '.join(old)}."
    return replace(plan, retire=old, reasons=(*plan.reasons, (TEMPLATE_CHANGED, message)))
