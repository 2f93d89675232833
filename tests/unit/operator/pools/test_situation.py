"""Why the jobs of a pool wait, by its spec and its conditions."""

from typing import Any

import pytest

from tests.unit.operator.builders import observed_pool, pending, pod, pool
from wherry_core.resources import RunnerPool
from wherry_operator.pools.policies import plan_pool
from wherry_operator.pools.situation import why_jobs_wait


def decided(seen: RunnerPool | None = None, **changes: Any) -> RunnerPool:
    """Return a pool with the status that its decision gives it."""
    found = observed_pool(seen, **{"waiting": 1, **changes})
    return found.pool.model_copy(update={"status": plan_pool(found).status})


UNSCHEDULABLE = "0/3 nodes are available"


@pytest.mark.parametrize(
    ("seen", "reason", "words"),
    [
        (pool(paused=True), "PoolPaused", "kubectl patch rpool default -n wherry"),
        (decided(pool(paused=True), pods=(pod(),)), "PoolPaused", "paused"),
        (pool(maxRunners=0), "MaxRunnersZero", "kubectl scale rpool default -n wherry"),
        (decided(pods=(pending(unschedulable=UNSCHEDULABLE),)), "NoNode", UNSCHEDULABLE),
        (
            decided(pods=(pod(), pending(1, unschedulable=UNSCHEDULABLE)), waiting=9),
            "NoNode",
            UNSCHEDULABLE,
        ),
        (
            decided(pods=(pending(stuck="ErrImagePull: no such image"),)),
            "RunnersDoNotStart",
            "ErrImagePull: no such image",
        ),
        (decided(start_failure="exit code 1"), "RunnersDoNotStart", "exit code 1"),
        (decided(), "RunnersStart", "kubectl describe rpool default -n wherry"),
        (decided(waiting=0), "RunnersStart", "being started"),
        (pool(), "RunnersStart", "being started"),
        (decided(pool(maxRunners=1), pods=(pod(),), waiting=9), "MaxRunners", "maxRunners"),
        (decided(pods=(pod(),), waiting=9), "RunnersBusy", "kubectl logs -n wherry"),
    ],
)
def test_every_situation_has_its_reason(seen: RunnerPool, reason: str, words: str) -> None:
    cause = why_jobs_wait(seen)
    assert cause.reason == reason
    assert words in cause.message
