"""Surplus runners are asked to leave."""

from dataclasses import replace

from wherry_operator.intake.pod_view import PodView
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity


def drain_surplus(observed: ObservedPool, plan: PoolPlan) -> PoolPlan | None:
    """Drain idle runners that were not needed for idleSeconds.

    Runners above maxRunners, and all idle runners of a paused pool, leave at once. Runners that
    have not started yet leave first, then those of an old template, then the youngest.
    """
    if not observed.index_up:
        return None
    staying = [pod for pod in observed.pods if has_capacity(observed, pod)]
    spec = observed.pool.spec
    warm = 0 if spec.paused else min(observed.needed, spec.max_runners)
    keep = max(plan.desired, warm)
    surplus = len(staying) - keep
    if surplus <= 0:
        return None
    idle = [pod for pod in staying if pod.name not in observed.claimed]
    present = observed.template_hash

    def order(pod: PodView) -> tuple[bool, bool, float]:
        age = -pod.created.timestamp() if pod.created else 0.0
        return (pod.running, pod.template_hash == present, age)

    leaving = tuple(pod.name for pod in sorted(idle, key=order)[:surplus])
    if not leaving:
        return None
    message = f"{keep} runners are enough, and there are {len(staying)}."
    return replace(plan, drain=leaving, reasons=(*plan.reasons, ("ScaleDown", message)))
