"""The decisions about a pool, one policy a file; each adds its part to the plan."""

from typing import Final

from wherry_operator.pools.plan import PoolPolicy
from wherry_operator.pools.policies.clean_up import delete_useless_pods
from wherry_operator.pools.policies.demand import set_desired
from wherry_operator.pools.policies.rollout import replace_old_runners
from wherry_operator.pools.policies.scale_down import drain_surplus
from wherry_operator.pools.policies.scale_up import start_missing
from wherry_operator.pools.policies.status import describe

POOL_POLICIES: Final[tuple[PoolPolicy, ...]] = (
    set_desired,
    delete_useless_pods,
    start_missing,
    drain_surplus,
    replace_old_runners,
    describe,
)
