"""The status of a pool, which stays the same when nothing changes."""

from typing import Any

import pytest

from tests.unit.operator.builders import observed_pool, pending, pod, pool
from wherry_core.resources import Condition
from wherry_operator.pools.plan import ObservedPool
from wherry_operator.pools.policies import plan_pool


def conditions(**changes: Any) -> dict[str, Condition]:
    plan = plan_pool(ObservedPool(**{"pool": pool(), **changes}))
    assert plan.status
    return {each.type: each for each in plan.status.conditions}


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "True", "ScaledToZero"),
        ({"waiting": 1}, "False", "RunnersStart"),
        ({"waiting": 1, "pods": (pod(),)}, "True", "RunnersReady"),
        (
            {"waiting": 1, "pods": (pending(stuck="ImagePullBackOff: no such image"),)},
            "False",
            "RunnersDoNotStart",
        ),
        ({"waiting": 1, "start_failure": "exit code 1"}, "False", "RunnersFail"),
        ({"pool": pool(maxRunners=0)}, "True", "ScaledToZero"),
        ({"waiting": 1, "pool": pool(maxRunners=0)}, "False", "MaxRunnersZero"),
        ({"waiting": 1, "pool": pool(maxRunners=0), "pods": (pod(),)}, "True", "RunnersReady"),
        ({"pool": pool(paused=True)}, "True", "ScaledToZero"),
        ({"waiting": 1, "pool": pool(paused=True)}, "False", "PoolPaused"),
        (
            {"waiting": 1, "pool": pool(paused=True), "start_failure": "exit code 1"},
            "False",
            "PoolPaused",
        ),
    ],
)
def test_whether_the_pool_is_available(changes: dict[str, Any], status: str, reason: str) -> None:
    available = conditions(**changes)["Available"]
    assert (available.status, available.reason) == (status, reason)


def test_conditions_that_do_not_hold_and_never_did_are_left_out() -> None:
    assert set(conditions()) == {"Available"}


def test_a_pool_at_its_maximum_says_so() -> None:
    limited = conditions(pool=pool(maxRunners=1), waiting=6)
    assert limited["ScalingLimited"].status == "True"
    assert "ScalingLimited" not in conditions(pool=pool(maxRunners=1), waiting=5)


def test_a_pool_that_may_have_no_runner_says_what_to_do() -> None:
    message = conditions(pool=pool(maxRunners=0), waiting=1)["Available"].message
    assert "kubectl scale rpool default -n wherry --replicas=10" in message


def test_a_pool_whose_leaving_runners_take_up_its_maximum_says_what_it_waits_for() -> None:
    leaving = {"draining": frozenset({"default-runner-0"}), "claimed": {"default-runner-0": 1}}
    seen = conditions(pool=pool(maxRunners=1), pods=(pod(0),), waiting=1, **leaving)["Available"]
    assert (seen.status, seen.reason) == ("False", "RunnersStart")
    assert "All runners that maxRunners allows are leaving" in seen.message
    seen = conditions(pool=pool(maxRunners=2), pods=(pod(0),), waiting=1, **leaving)["Available"]
    assert seen.message == "Runners are being started."


def test_a_paused_pool_says_so() -> None:
    assert conditions(pool=pool(paused=True))["Paused"].status == "True"


def test_the_counts() -> None:
    pods = (pod(0), pod(1), pending(2), pod(3, terminating=True))
    plan = plan_pool(observed_pool(pods=pods, waiting=7, claimed={"default-runner-0": 2}))
    assert plan.status
    status = plan.status
    assert (status.runners, status.ready_runners, status.busy_runners) == (3, 2, 1)
    assert (status.waiting_jobs, status.claimed_jobs, status.desired_runners) == (7, 2, 2)
    assert status.selector == "wherry.dev/pool=default"


def test_a_status_that_was_written_stays_as_it_is() -> None:
    seen = observed_pool(pods=(pod(0),), waiting=2)
    first = plan_pool(seen).status
    assert first
    written = seen.pool.model_copy(update={"status": first})
    assert plan_pool(observed_pool(written, pods=(pod(0),), waiting=2)).status == first
