"""How many runners the jobs need."""

from dataclasses import replace

from wherry_core.resources import RunnerPool
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity


def desired_runners(pool: RunnerPool, waiting: int, claimed: int) -> int:
    """Return how many runners the jobs need, within the bounds of the pool."""
    spec = pool.spec
    needed = -(-(waiting + claimed) // spec.concurrency)
    if spec.paused:
        needed = -(-claimed // spec.concurrency)
        return min(needed, spec.max_runners)
    return max(min(needed, spec.max_runners), spec.min_runners)


def set_desired(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Set the number of runners that the waiting and the claimed jobs need.

    Jobs on runners that are leaving need no further runner.
    """
    staying = {pod.name for pod in observed.pods if has_capacity(observed, pod)}
    claimed = sum(count for runner, count in observed.claimed.items() if runner in staying)
    return replace(plan, desired=desired_runners(observed.pool, observed.waiting, claimed))
