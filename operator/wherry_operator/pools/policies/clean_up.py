"""Deletes pods that have ended or are unresponsive."""

from dataclasses import replace

from wherry_operator.pools.plan import ObservedPool, PoolPlan


def delete_useless_pods(observed: ObservedPool, plan: PoolPlan) -> PoolPlan | None:
    """Delete ended pods and unresponsive runners once no job names them.

    The pod of a lost attempt is kept until its jobs are judged, because it says how it ended. The
    jobs of an unresponsive runner are queued again first, which fences it off.
    """
    useless = tuple(
        pod
        for pod in observed.pods
        if not pod.terminating
        and pod.name not in observed.claimed
        and (pod.ended or pod.name in observed.unresponsive)
    )
    if not useless:
        return None
    names = ", ".join(pod.name for pod in useless)
    message = f"These runners have ended or are unresponsive, and have no job: {names}."
    return replace(plan, delete=useless, reasons=(*plan.reasons, ("RunnersEnded", message)))
