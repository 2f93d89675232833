"""How many runners the jobs ask for."""

from dataclasses import replace

from wherry_operator.pools.plan import ObservedPool, PoolPlan, desired_runners, has_capacity


def set_desired(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Set the number of runners that the waiting and the claimed jobs ask for.

    Jobs on runners that are about to leave need no further runner.
    """
    taking = {pod.name for pod in observed.pods if has_capacity(observed, pod)}
    claimed = sum(count for runner, count in observed.claimed.items() if runner in taking)
    return replace(plan, desired=desired_runners(observed.pool, observed.waiting, claimed))
