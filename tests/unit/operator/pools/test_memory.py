"""What is remembered of a pool between two decisions."""

from typing import Any

from tests.unit.operator.builders import gone, pod
from wherry_operator.pools.memory import PeakWindow, PoolMemory, StartGuard


def test_a_peak_lasts_as_long_as_the_window() -> None:
    window = PeakWindow(started=0)
    window.note(100, 3)
    window.note(110, 1)
    assert window.peak(110, 30, 9) == 3
    assert window.next_change(110, 30) == 30
    assert window.peak(139, 30, 9) == 3
    assert window.peak(140, 30, 9) == 1
    assert window.next_change(140, 30) is None


def test_after_a_restart_nothing_is_scaled_down_before_a_full_window() -> None:
    window = PeakWindow(started=100)
    window.note(100, 0)
    assert window.peak(120, 30, 4) == 4
    assert window.next_change(120, 30) == 10
    assert window.peak(130, 30, 4) == 0


def test_a_window_of_no_time_holds_the_present() -> None:
    window = PeakWindow(started=0)
    window.note(5, 2)
    window.note(6, 0)
    assert window.peak(6, 0, 9) == 0


def test_failing_starts_slow_down_and_one_success_ends_it() -> None:
    guard = StartGuard()
    assert guard.allowance(0) > 1
    guard.failed(0, "exit code 1")
    assert (guard.allowance(4.9), guard.allowance(5)) == (0, 1)
    guard.failed(5, "exit code 1")
    assert (guard.allowance(14.9), guard.allowance(15)) == (0, 1)
    for _ in range(20):
        guard.failed(15, "exit code 1")
    assert guard.not_before == 315
    guard.succeeded()
    assert guard.allowance(16) > 1
    assert guard.reason is None


def test_a_runner_that_was_deleted_before_it_started_has_not_failed() -> None:
    memory = PoolMemory(peak=PeakWindow(started=0))
    failed: dict[str, Any] = {"phase": "Failed", "failed": True}
    assert memory.failed_at_start(gone(**failed))
    assert not memory.failed_at_start(gone(**failed, terminating=True))
    assert not memory.failed_at_start(gone())
    assert not memory.failed_at_start(pod())
    memory.worked.add("uid-0")
    memory.judged.add("uid-1")
    assert not memory.failed_at_start(gone(0, **failed))
    assert not memory.failed_at_start(gone(1, **failed))


def test_a_runner_fails_at_its_start_once_and_not_after_it_had_a_job() -> None:
    memory = PoolMemory(peak=PeakWindow(started=0))
    failed = gone(0, phase="Failed", failed=True)
    memory.record_pods([failed], {}, (), 0)
    assert memory.guard.failures == 1
    memory.record_pods([failed], {}, (), 1)
    assert memory.guard.failures == 1
    memory.record_pods([pod(1)], {"default-runner-1": 1}, (), 2)
    assert memory.guard.failures == 0
    memory.record_pods([gone(1, phase="Failed", failed=True)], {}, (), 3)
    assert memory.guard.failures == 0


def test_a_runner_that_goes_on_working_does_not_hide_that_new_ones_fail() -> None:
    memory = PoolMemory(peak=PeakWindow(started=0))
    working, failed = pod(0), gone(1, phase="Failed", failed=True)
    claimed = {"default-runner-0": 1}
    memory.record_pods([working], claimed, (), 0)
    memory.record_pods([working, failed], claimed, (), 1)
    memory.record_pods([working], claimed, (), 2)
    assert memory.guard.failures == 1
    assert memory.guard.allowance(2) == 0
    assert memory.guard.reason is not None
    claimed["default-runner-2"] = 1
    memory.record_pods([working, pod(2)], claimed, (), 3)
    assert memory.guard.failures == 0


def test_drains_are_known_from_redis_after_a_restart_and_dropped_with_their_pods() -> None:
    memory = PoolMemory(peak=PeakWindow(started=0))
    memory.record_pods([pod(0), pod(1)], {}, ["uid-1"], 10)
    memory.record_pods([pod(0), pod(1)], {}, ["uid-1"], 20)
    assert memory.draining == {"uid-1": 10}
    memory.record_pods([pod(0)], {}, ["uid-1"], 30)
    assert memory.draining == {}
