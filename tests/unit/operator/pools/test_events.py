"""The Events of a pool."""

from typing import Any

from tests.unit.operator.builders import OUT_OF_MEMORY, gone, observed_pool, pending, pod, pool
from wherry_core.resources import RunnerPoolStatus
from wherry_operator.pools import events as pool_events
from wherry_operator.pools.policies import plan_pool


def test_a_few_runners_are_named_and_many_are_counted() -> None:
    assert "Started r-0, r-1, r-2. " in pool_events.started(["r-0", "r-1", "r-2"], 3).message
    many = pool_events.started([f"r-{number}" for number in range(9)], 9)
    assert "Started r-0, r-1, r-2 and 6 more. " in many.message
    assert not many.warning


def test_a_runner_that_leaves_knows_why() -> None:
    idle = pool_events.drained(["r-0"], 2)
    assert idle.message == "Asked to leave because idle: r-0. The jobs need 2 runners."
    retired = pool_events.retired(["r-1"]).message
    assert retired.startswith("The pool's template has changed.")
    assert retired.endswith("r-1.")


def test_only_ends_with_an_error_are_events() -> None:
    assert pool_events.ended(gone()) is None
    failed = pool_events.ended(gone(phase="Failed", failed=True, end=OUT_OF_MEMORY))
    assert failed
    assert (failed.reason, failed.warning) == ("OutOfMemory", True)
    unresponsive = pool_events.ended(pod())
    assert unresponsive
    assert unresponsive.reason == "RunnerUnresponsive"


def changed(before: RunnerPoolStatus, **changes: Any) -> list[tuple[str, bool]]:
    """Return reason and severity of the Events of the status that follows ``before``."""
    after = plan_pool(observed_pool(pool().model_copy(update={"status": before}), **changes)).status
    assert after
    return [(each.reason, each.warning) for each in pool_events.of_conditions(before, after)]


def test_conditions_that_hold_runners_up_are_events_once() -> None:
    fresh = RunnerPoolStatus()
    stuck = (pending(unschedulable="0/3 nodes are available"),)
    assert changed(fresh, waiting=1) == []
    assert changed(fresh, waiting=1, pods=stuck) == [("NoNode", True)]
    assert changed(fresh, waiting=1, start_failure="exit code 1") == [("RunnersFail", True)]
    known = plan_pool(observed_pool(waiting=1, pods=stuck)).status
    assert known
    assert changed(known, waiting=1, pods=stuck) == []
    assert changed(known, waiting=1, pods=(pod(),)) == [("RunnersScheduled", False)]
