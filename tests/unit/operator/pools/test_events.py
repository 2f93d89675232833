"""What a pool's Events say."""

from tests.unit.operator.builders import OUT_OF_MEMORY, gone, pod
from wherry_operator.pools import events as pool_events


def test_a_few_runners_are_named_and_many_are_counted() -> None:
    assert "Started r-0, r-1, r-2. " in pool_events.started(["r-0", "r-1", "r-2"], 3).message
    many = pool_events.started([f"r-{number}" for number in range(9)], 9)
    assert "Started r-0, r-1, r-2 and 6 more. " in many.message
    assert not many.warning


def test_a_runner_that_leaves_knows_why() -> None:
    idle = pool_events.drained(["r-0"], 2, old_template=False)
    assert idle.message == "Asked to leave, for idle: r-0. Runners that the jobs ask for: 2."
    old = pool_events.drained(["r-0"], 2, old_template=True)
    assert old.message == "Asked to leave, for idle: r-0. The pool's template has changed."
    assert "after their present jobs: r-1." in pool_events.retired(["r-1"]).message


def test_only_ends_that_went_wrong_are_told() -> None:
    assert pool_events.ended(gone()) is None
    failed = pool_events.ended(gone(phase="Failed", failed=True, end=OUT_OF_MEMORY))
    assert failed
    assert (failed.reason, failed.warning) == ("OutOfMemory", True)
    silent = pool_events.ended(pod())
    assert silent
    assert silent.reason == "RunnerSilent"
