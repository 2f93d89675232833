"""How many runners the jobs ask for."""

from dataclasses import replace

from wherry_operator.pool_plan import ObservedPool, PoolPlan, desired_runners


def set_desired(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Set the number of runners that the waiting and the claimed jobs ask for."""
    claimed = sum(observed.claimed.values())
    return replace(plan, desired=desired_runners(observed.pool, observed.waiting, claimed))
