"""The decision about a pool: its policies in order."""

from wherry_operator.pools.plan import ObservedPool, PoolPlan
from wherry_operator.pools.policies import POOL_POLICIES


def plan_pool(observed: ObservedPool) -> PoolPlan:
    """Return what to do with a pool now."""
    plan = PoolPlan()
    for policy in POOL_POLICIES:
        plan = policy(observed, plan)
    return plan
