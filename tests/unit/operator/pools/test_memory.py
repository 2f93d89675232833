"""What is remembered between two decisions: peaks, failed starts, heartbeats, tenants' limits."""

from typing import Any

from tests.unit.operator.builders import ended, gone, pod, processing, queued
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.pools.memory import PeakWindow, PoolMemory, StartGuard
from wherry_operator.runners.heartbeats import HeartbeatWatch


def test_a_peak_lasts_as_long_as_the_window() -> None:
    window = PeakWindow(started=0)
    window.note(100, 3)
    window.note(110, 1)
    assert window.peak(110, 30, 9) == 3
    assert window.next_change(110, 30) == 30
    assert window.peak(139, 30, 9) == 3
    assert window.peak(140, 30, 9) == 1
    assert window.next_change(140, 30) is None


def test_after_a_restart_nothing_is_given_up_before_a_full_window() -> None:
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
    guard.worked()
    assert guard.allowance(16) > 1
    assert guard.reason is None


def test_a_runner_is_silent_once_its_count_stands_still() -> None:
    watch = HeartbeatWatch(30)
    watch.note(["a", "b"], {"a": 1, "b": 1}, 0)
    watch.note(["a", "b"], {"a": 2, "b": 1}, 20)
    assert watch.silent(29) == frozenset()
    assert watch.silent(30) == {"b"}
    watch.note(["a", "b"], {"a": 2, "b": 2}, 40)
    assert watch.silent(49) == frozenset()
    assert watch.silent(50) == {"a"}


def test_a_runner_that_redis_does_not_know_has_its_full_time() -> None:
    watch = HeartbeatWatch(30)
    watch.note(["a"], {}, 100)
    assert watch.silent(129) == frozenset()
    assert watch.silent(130) == {"a"}


def test_a_flush_does_not_make_anybody_silent() -> None:
    watch = HeartbeatWatch(30)
    watch.note(["a"], {"a": 50}, 0)
    watch.note(["a"], {"a": 1}, 2)
    assert watch.silent(31) == frozenset()


def test_the_time_without_redis_does_not_count() -> None:
    watch = HeartbeatWatch(30)
    watch.note(["a"], {"a": 1}, 0)
    watch.start_over(60)
    assert watch.silent(89) == frozenset()


def test_runners_that_are_gone_are_forgotten() -> None:
    watch = HeartbeatWatch(30)
    watch.note(["a"], {"a": 1}, 0)
    watch.note([], {}, 2)
    assert watch.silent(99) == frozenset()


def named(name: str, seen: DownloadJob, tenant: str = "tenant") -> JobView:
    metadata = seen.metadata.model_copy(update={"name": name, "namespace": tenant})
    return JobView(job=seen.model_copy(update={"metadata": metadata}), files=1)


def test_a_tenant_has_only_so_many_jobs_in_work_and_the_next_follow_in_order() -> None:
    released: list[str] = []
    limit = TenantLimit(1, released.append)
    first, second = named("1", queued()), named("2", queued())
    urgent = named("3", queued(spec={"priority": 5}))
    for each in (first, second, urgent):
        limit.update(each, wants_work=True)
    assert [limit.holds(each) for each in (first, second, urgent)] == [False, True, True]
    assert limit.held({"tenant/1", "tenant/2", "tenant/3"}) == 2
    limit.update(named("1", processing()), wants_work=True)
    assert released == []
    limit.update(named("1", ended(Phase.COMPLETED)), wants_work=False)
    assert released == ["tenant/3"]
    limit.update(named("3", ended(Phase.COMPLETED)), wants_work=False)
    assert released == ["tenant/3", "tenant/2"]


def test_one_tenants_limit_is_not_anothers() -> None:
    limit = TenantLimit(1, lambda _: None)
    limit.update(named("1", queued()), wants_work=True)
    other = named("1", queued(), tenant="other")
    limit.update(other, wants_work=True)
    assert not limit.holds(other)


def test_a_held_job_that_is_cancelled_is_never_released() -> None:
    released: list[str] = []
    limit = TenantLimit(1, released.append)
    first, second = named("1", queued()), named("2", queued())
    limit.update(first, wants_work=True)
    limit.update(second, wants_work=True)
    limit.update(second, wants_work=False)
    limit.update(first, wants_work=False)
    assert released == []


def test_without_a_limit_nobody_is_held() -> None:
    limit = TenantLimit(0, lambda _: None)
    for number in range(9):
        seen = named(str(number), queued())
        limit.update(seen, wants_work=True)
        assert not limit.holds(seen)


def test_a_claimed_job_is_in_work_whatever_the_limit() -> None:
    limit = TenantLimit(1, lambda _: None)
    limit.update(named("1", processing()), wants_work=True)
    limit.update(named("2", processing()), wants_work=True)
    third = named("3", queued())
    limit.update(third, wants_work=True)
    assert limit.holds(third)


def test_a_runner_that_was_sent_away_before_it_started_has_not_failed() -> None:
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
