"""Why the jobs of a pool wait, as a sentence for a person who describes one of them."""

from dataclasses import dataclass
from typing import Final

from wherry_core.resources import Condition, RunnerPool
from wherry_core.resources.names import POOL_LABEL, JobReason, PoolCondition, PoolReason

NO_RUNNER: Final = frozenset({PoolReason.RUNNERS_FAIL, PoolReason.RUNNERS_DO_NOT_START})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something waits."""

    reason: JobReason
    message: str
    """A sentence that says what to do. It holds no number that changes by itself."""


def why_jobs_wait(pool: RunnerPool) -> Cause:
    """Return why the next job in the queue of ``pool`` has no runner yet.

    It follows from the pool's spec and conditions alone, so that a restart changes nothing.
    """
    name, namespace = pool.metadata.name, pool.metadata.namespace
    where = f"rpool {name} -n {namespace}"
    if pool.spec.paused:
        return Cause(
            JobReason.POOL_PAUSED,
            f"The pool {name} is paused. To resume it: kubectl patch {where} --type merge "
            """-p '{"spec":{"paused":false}}'""",
        )
    if pool.spec.max_runners == 0:
        return Cause(
            JobReason.MAX_RUNNERS_ZERO,
            f"The pool {name} has no runners because its maxRunners is 0. To raise it: "
            f"kubectl scale {where} --replicas=10",
        )
    conditions = {each.type: each for each in pool.status.conditions}
    unschedulable = conditions.get(PoolCondition.UNSCHEDULABLE)
    available = conditions.get(PoolCondition.AVAILABLE)
    if unschedulable is not None and _is_true(unschedulable):
        return Cause(
            JobReason.NO_NODE,
            f"No node has room for the runners of the pool {name}. Lower their resource requests, "
            f"or add nodes. {unschedulable.message}",
        )
    if available is not None and available.reason in NO_RUNNER:
        return Cause(
            JobReason.RUNNERS_DO_NOT_START,
            f"The runners of the pool {name} do not start. {available.message}",
        )
    if (
        available is None
        or available.status != "True"
        or available.reason == PoolReason.SCALED_TO_ZERO
    ):
        return Cause(
            JobReason.RUNNERS_START,
            f"Runners are being started. If this lasts: kubectl describe {where}",
        )
    if _is_true(conditions.get(PoolCondition.SCALING_LIMITED)):
        return Cause(
            JobReason.MAX_RUNNERS,
            f"All runners of the pool {name} are busy, and there are as many as its maxRunners "
            f"allows. The job starts when others end. For more runners: "
            f"kubectl scale {where} --replicas=MORE",
        )
    return Cause(
        JobReason.RUNNERS_BUSY,
        f"The runners of the pool {name} are busy with other jobs. The job starts when others "
        f"end. If runners are idle, see their logs: kubectl logs -n {namespace} "
        f"-l {POOL_LABEL}={name} --prefix",
    )


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"
