"""Runners whose heartbeat stands still."""

from wherry_operator.runners.runner_watch import Heartbeats


def test_a_runner_is_unresponsive_once_its_counter_stands_still() -> None:
    watch = Heartbeats(30)
    watch.update(["a", "b"], {"a": 1, "b": 1}, 0)
    watch.update(["a", "b"], {"a": 2, "b": 1}, 20)
    assert watch.unresponsive(29) == frozenset()
    assert watch.unresponsive(30) == {"b"}
    watch.update(["a", "b"], {"a": 2, "b": 2}, 40)
    assert watch.unresponsive(49) == frozenset()
    assert watch.unresponsive(50) == {"a"}


def test_a_runner_that_redis_does_not_know_has_its_full_time() -> None:
    watch = Heartbeats(30)
    watch.update(["a"], {}, 100)
    assert watch.unresponsive(129) == frozenset()
    assert watch.unresponsive(130) == {"a"}


def test_a_flush_makes_no_runner_unresponsive() -> None:
    watch = Heartbeats(30)
    watch.update(["a"], {"a": 50}, 0)
    watch.update(["a"], {"a": 1}, 2)
    assert watch.unresponsive(31) == frozenset()


def test_the_time_without_redis_does_not_count() -> None:
    watch = Heartbeats(30)
    watch.update(["a"], {"a": 1}, 0)
    watch.restart(60)
    assert watch.unresponsive(89) == frozenset()


def test_runners_that_are_gone_are_dropped() -> None:
    watch = Heartbeats(30)
    watch.update(["a"], {"a": 1}, 0)
    watch.update([], {}, 2)
    assert watch.unresponsive(99) == frozenset()
