"""Pod objects that are of no more use."""

from dataclasses import replace

from wherry_operator.pools.plan import ObservedPool, PoolPlan


def delete_useless_pods(observed: ObservedPool, plan: PoolPlan) -> PoolPlan:
    """Delete pods that have ended, and runners that fell silent, once no job names them.

    A pod that ended is kept until its jobs have been judged: how it ended is written there.
    A silent runner's jobs are given to others first, which fences it off.
    """
    useless = tuple(
        pod
        for pod in observed.pods
        if not pod.terminating
        and pod.name not in observed.claimed
        and (pod.ended or pod.name in observed.silent)
    )
    if not useless:
        return plan
    names = ", ".join(pod.name for pod in useless)
    message = f"These runners have ended or fallen silent, and no job is theirs: {names}."
    return replace(plan, delete=useless, reasons=(*plan.reasons, ("RunnersEnded", message)))
