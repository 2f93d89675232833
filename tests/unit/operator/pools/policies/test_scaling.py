"""How many runners there are: exactly as many as the jobs need."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import gone, observed_pool, pending, pod, pool
from wherry_core.resources import RunnerPool
from wherry_operator.pools.plan import PoolPlan, free_names
from wherry_operator.pools.policies import plan_pool
from wherry_operator.pools.policies.demand import desired_runners


@pytest.mark.parametrize(
    ("waiting", "claimed", "spec", "desired"),
    [
        (0, 0, {}, 0),
        (1, 0, {}, 1),
        (5, 0, {}, 1),
        (6, 0, {}, 2),
        (3, 3, {}, 2),
        (1_000, 0, {}, 10),
        (0, 0, {"minRunners": 2}, 2),
        (11, 0, {"minRunners": 2}, 3),
        (7, 0, {"concurrency": 1}, 7),
        (9, 4, {"paused": True}, 1),
        (9, 0, {"paused": True, "minRunners": 2}, 0),
        (9, 0, {"maxRunners": 0}, 0),
    ],
)
def test_desired_is_what_the_jobs_ask_for_within_the_bounds(
    waiting: int, claimed: int, spec: dict[str, Any], desired: int
) -> None:
    assert desired_runners(pool(**spec), waiting, claimed) == desired


def started(seen: RunnerPool | None = None, **changes: Any) -> int:
    return len(plan_pool(observed_pool(seen, **changes)).start)


def test_the_first_job_starts_the_first_runner() -> None:
    assert plan_pool(observed_pool(waiting=1)).start == ("default-runner-0",)


def test_pending_pods_count_as_runners() -> None:
    assert started(waiting=10, pods=(pending(0), pending(1))) == 0
    assert started(waiting=11, pods=(pending(0), pending(1))) == 1


def test_unschedulable_pods_are_not_multiplied() -> None:
    stuck = tuple(pending(slot, unschedulable="0/1 nodes are available") for slot in range(2))
    plan = plan_pool(observed_pool(waiting=10, pods=stuck))
    assert plan.start == ()
    assert plan.status
    unschedulable = {each.type: each for each in plan.status.conditions}["Unschedulable"]
    assert unschedulable.status == "True"
    assert "0/1 nodes are available" in unschedulable.message


def test_draining_and_ending_runners_are_no_capacity() -> None:
    leaving = frozenset({"default-runner-0"})
    assert started(waiting=1, pods=(pod(0),), draining=leaving) == 1
    assert started(waiting=1, pods=(pod(0, terminating=True),)) == 1
    assert started(waiting=1, pods=(gone(0),)) == 1
    assert started(waiting=1, pods=(pod(0),), unresponsive=frozenset({"default-runner-0"})) == 1
    assert started(waiting=1, pods=(pod(0),)) == 0


def test_jobs_on_a_leaving_runner_need_no_further_one() -> None:
    leaving = frozenset({"default-runner-0"})
    plan = plan_pool(
        observed_pool(claimed={"default-runner-0": 5}, pods=(pod(0),), draining=leaving)
    )
    assert (plan.desired, plan.start) == (0, ())


def test_starts_are_limited_by_step_bounds_and_failures() -> None:
    assert started(pool(stepUp=3), waiting=50) == 3
    assert started(pool(maxRunners=4), waiting=50, pods=(pod(0), pod(1))) == 2
    assert started(waiting=50, start_allowance=1) == 1
    assert started(waiting=50, start_allowance=0) == 0
    assert started(pool(paused=True), waiting=50) == 0


def test_leaving_runners_count_towards_the_maximum() -> None:
    pods = (pod(0), pod(1))
    leaving = frozenset({"default-runner-0", "default-runner-1"})
    assert started(pool(maxRunners=2), waiting=9, pods=pods, draining=leaving) == 0


def test_names_are_not_used_twice() -> None:
    seen = observed_pool(pods=(pod(0), gone(2)), claimed={"default-runner-1": 1})
    assert free_names(seen, 2) == ("default-runner-3", "default-runner-4")


def drained(seen: RunnerPool | None = None, **changes: Any) -> tuple[str, ...]:
    return plan_pool(observed_pool(seen, **changes)).drain


def test_idle_runners_leave_when_they_were_not_needed() -> None:
    assert drained(pods=(pod(0), pod(1)), needed=0) == ("default-runner-1", "default-runner-0")
    assert drained(pods=(pod(0), pod(1)), needed=1) == ("default-runner-1",)
    assert drained(pods=(pod(0), pod(1)), needed=2) == ()
    assert drained(pool(minRunners=1), pods=(pod(0), pod(1))) == ("default-runner-1",)


def test_busy_runners_never_leave() -> None:
    assert drained(pods=(pod(0), pod(1)), claimed={"default-runner-1": 1}) == ("default-runner-0",)
    busy = {"default-runner-0": 1, "default-runner-1": 1}
    assert drained(pods=(pod(0), pod(1)), claimed=busy) == ()
    assert drained(pool(maxRunners=0), pods=(pod(0), pod(1)), claimed=busy) == ()


def test_pods_that_do_not_run_yet_leave_first() -> None:
    assert drained(pods=(pod(0), pending(1), pod(2)), needed=2) == ("default-runner-1",)


@pytest.mark.parametrize(
    ("spec", "leaving"),
    [
        ({"maxRunners": 1}, ("default-runner-1",)),
        ({"maxRunners": 0}, ("default-runner-1", "default-runner-0")),
        ({"paused": True}, ("default-runner-1", "default-runner-0")),
        ({"maxRunners": 2}, ()),
    ],
)
def test_a_lower_maximum_and_a_pause_do_not_wait_for_idle_time(
    spec: dict[str, Any], leaving: tuple[str, ...]
) -> None:
    """And those within the maximum stay for theirs."""
    assert drained(pool(**spec), pods=(pod(0), pod(1)), needed=9) == leaving


def test_no_runner_is_asked_to_leave_without_redis() -> None:
    assert drained(pods=(pod(0),), index_up=False) == ()


def test_draining_runners_are_not_asked_again() -> None:
    assert drained(pods=(pod(0),), draining=frozenset({"default-runner-0"})) == ()


def test_ended_and_unresponsive_pods_are_deleted_once_no_job_names_them() -> None:
    unresponsive = frozenset({"default-runner-1"})
    seen = observed_pool(pods=(gone(0), pod(1), pod(2)), unresponsive=unresponsive)
    assert [each.name for each in plan_pool(seen).delete] == [
        "default-runner-0",
        "default-runner-1",
    ]
    named = replace(seen, claimed={"default-runner-0": 1, "default-runner-1": 2})
    assert plan_pool(named).delete == ()


OLD = "another"


def rollout(**changes: Any) -> PoolPlan:
    changes.setdefault("needed", 9)
    return plan_pool(observed_pool(**changes))


def test_a_changed_template_retires_all_old_runners_idle_and_busy() -> None:
    """No runner of an old template takes another job; jobs that it has are completed."""
    pods = (pod(0, template_hash=OLD), pod(1, template_hash=OLD), pod(2))
    plan = rollout(pods=pods, claimed={"default-runner-0": 2})
    assert plan.retire == ("default-runner-0", "default-runner-1")
    assert (plan.drain, plan.delete) == ((), ())


def test_retired_runners_are_replaced_while_they_finish_their_jobs() -> None:
    pods = (pod(0, template_hash=OLD), pod(1, template_hash=OLD))
    leaving = frozenset({"default-runner-0", "default-runner-1"})
    plan = rollout(pods=pods, draining=leaving, waiting=9, claimed={"default-runner-0": 2})
    assert plan.retire == ()
    assert plan.start == ("default-runner-2", "default-runner-3")


def test_surplus_runners_of_an_old_template_are_drained_not_retired() -> None:
    pods = (pod(0, template_hash=OLD), pod(1))
    plan = rollout(pods=pods, needed=1)
    assert (plan.drain, plan.retire) == (("default-runner-0",), ())


def test_no_runner_is_retired_without_redis() -> None:
    assert rollout(pods=(pod(0, template_hash=OLD),), index_up=False).retire == ()


def test_runners_of_the_present_template_stay() -> None:
    plan = rollout(pods=(pod(0),), waiting=1)
    assert (plan.drain, plan.retire) == ((), ())
