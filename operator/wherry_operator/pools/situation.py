"""Why the jobs of a pool wait, in words for a person who looks at one of them."""

from dataclasses import dataclass
from typing import Final

from wherry_core.resources import Condition, RunnerPool

NO_RUNNER: Final = frozenset({"RunnersFail", "RunnersDoNotStart"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something waits."""

    reason: str
    """One CamelCase word."""
    message: str
    """A sentence for a person that says what to do. It holds no figure that changes by itself."""


def why_jobs_wait(pool: RunnerPool) -> Cause:
    """Return why a job that is next in the queue of ``pool`` has no runner yet.

    It follows from the spec and from the conditions that the pool's own decision set, so that a
    restart changes nothing.
    """
    name, namespace = pool.metadata.name, pool.metadata.namespace
    where = f"rpool {name} -n {namespace}"
    if pool.spec.paused:
        return Cause(
            "PoolPaused",
            f"The pool {name} is paused. To go on: kubectl patch {where} --type merge "
            """-p '{"spec":{"paused":false}}'""",
        )
    if pool.spec.max_runners == 0:
        return Cause(
            "MaxRunnersZero",
            f"The pool {name} may have no runner: its maxRunners is 0. To raise it: "
            f"kubectl scale {where} --replicas=10",
        )
    conditions = {each.type: each for each in pool.status.conditions}
    unschedulable, available = conditions.get("Unschedulable"), conditions.get("Available")
    if _is_true(unschedulable):
        return Cause(
            "NoNode",
            f"No node takes the pool's runners; they need fewer resources, or the cluster more "
            f"nodes. The pool {name} says: {unschedulable.message if unschedulable else ''}",
        )
    if available is not None and available.reason in NO_RUNNER:
        return Cause(
            "RunnersDoNotStart",
            f"The pool's runners do not start. The pool {name} says: {available.message}",
        )
    if not _is_true(available) or (available and available.reason == "ScaledToZero"):
        return Cause(
            "RunnersStart",
            f"Runners are being started. If that lasts: kubectl describe {where}",
        )
    if _is_true(conditions.get("ScalingLimited")):
        return Cause(
            "MaxRunners",
            f"All runners of the pool {name} are busy, and there are as many as its maxRunners "
            f"allows. The job's turn comes; to go faster: kubectl scale {where} --replicas=MORE",
        )
    return Cause(
        "RunnersBusy",
        f"The runners of the pool {name} are busy with other jobs, and the job's turn comes. If "
        f"they have room, their logs tell why: kubectl logs -n {namespace} "
        f"-l wherry.dev/pool={name} --prefix",
    )


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"
