"""Missing runners are started."""

from dataclasses import replace

from wherry_operator.pools.plan import ObservedPool, PoolPlan, free_names, has_capacity, occupies


def start_missing(observed: ObservedPool, plan: PoolPlan) -> PoolPlan | None:
    """Start the runners that are missing, within maxRunners, stepUp and the start allowance.

    Pods that still wait for a node or an image count as runners, because more of them would wait,
    too.
    """
    spec = observed.pool.spec
    capacity = sum(has_capacity(observed, pod) for pod in observed.pods)
    missing = plan.desired - capacity
    if missing <= 0 or spec.paused:
        return None
    room = spec.max_runners - sum(occupies(pod) for pod in observed.pods)
    count = min(missing, room, spec.step_up, observed.start_allowance)
    if count <= 0:
        return None
    message = f"{plan.desired} runners are desired, and there are {capacity}: {count} are started."
    return replace(
        plan,
        start=free_names(observed, count),
        reasons=(*plan.reasons, ("ScaleUp", message)),
    )
