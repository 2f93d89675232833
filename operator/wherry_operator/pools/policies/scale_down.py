"""Asking surplus runners to leave."""

from dataclasses import replace

from wherry_operator.intake.pod_view import PodView
from wherry_operator.pools.plan import ObservedPool, PoolPlan, has_capacity


def drain_surplus(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Drain idle runners that were not needed for idleSeconds.

    Those over maxRunners, and all idle ones of a paused pool, leave at once. Runners that do not
    run yet leave first, then those of an old template, then the youngest.
    """
    if not observed.index_up:
        return plan
    alive = [pod for pod in observed.pods if has_capacity(observed, pod)]
    spec = observed.pool.spec
    warm = 0 if spec.paused else min(observed.needed, spec.max_runners)
    keep = max(plan.desired, warm)
    surplus = len(alive) - keep
    if surplus <= 0:
        return plan
    idle = [pod for pod in alive if pod.name not in observed.claimed]
    current = observed.template_hash

    def order(pod: PodView) -> tuple[bool, bool, float]:
        age = -pod.created.timestamp() if pod.created else 0.0
        return (pod.running, pod.template_hash == current, age)

    leaving = tuple(pod.name for pod in sorted(idle, key=order)[:surplus])
    if not leaving:
        return plan
    message = f"{keep} runners are enough, and {len(alive)} are there."
    return replace(plan, drain=leaving, reasons=(*plan.reasons, ("ScaleDown", message)))
