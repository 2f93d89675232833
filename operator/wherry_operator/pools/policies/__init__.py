"""The decision about a pool: its policies in order."""

from typing import Final

from wherry_operator.policies import decide
from wherry_operator.pools.plan import ObservedPool, PoolPlan, PoolPolicy
from wherry_operator.pools.policies.clean_up import delete_useless_pods
from wherry_operator.pools.policies.demand import set_desired
from wherry_operator.pools.policies.rollout import retire_old_runners
from wherry_operator.pools.policies.scale_down import drain_surplus
from wherry_operator.pools.policies.scale_up import start_missing
from wherry_operator.pools.policies.status import describe

POOL_POLICIES: Final[tuple[PoolPolicy, ...]] = (
    # Each adds to the plan; none stops. The comment says what can no longer be the case below.
    set_desired,  # plan.desired is unset
    delete_useless_pods,  # a pod that no job needs is missing from plan.delete
    start_missing,  # the pool has room for a desired runner, and none is started
    drain_surplus,  # an idle runner that was not needed stays
    retire_old_runners,  # a runner of an old template takes another job
    describe,  # the status differs from what was observed and planned
)


def plan_pool(observed: ObservedPool) -> PoolPlan:
    """Return what to do with a pool now."""
    return decide(POOL_POLICIES, observed, PoolPlan())
