"""A completion is announced once, also when no operator ran at the time."""

import pytest
from prometheus_client import REGISTRY

from tests.unit.operator.builders import NOW, ago, ended, processing
from tests.unit.operator.observing import MemoryRedis, Observer, keys, redis_in_memory
from wherry_core.kubernetes.errors import ForbiddenError, KubernetesError, UnavailableError
from wherry_core.kubernetes.paths import events_path
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.completions import announced_since, event_name


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    return redis_in_memory(monkeypatch)


def view(seen: DownloadJob, name: str = "job") -> JobView:
    metadata = seen.metadata.model_copy(
        update={"name": name, "uid": f"uid-of-{name}", "namespace": "tenant"}
    )
    return JobView(seen.model_copy(update={"metadata": metadata}), 1)


def counted() -> float:
    labels = {"phase": "Completed", "reason": "Completed"}
    return REGISTRY.get_sample_value("wherry_jobs_ended_total", labels) or 0.0


async def test_nothing_is_announced_before_it_is_known_what_was(redis: MemoryRedis) -> None:
    seen = Observer()
    done = view(ended(Phase.COMPLETED))
    seen.cache.put_job(done)
    assert not seen.completions.pending(done)
    await seen.completions.run()
    assert seen.completions.pending(done)
    assert await keys(seen.jobs) == ["tenant/job"]


async def test_a_completion_is_published_counted_and_cleaned_up_once(redis: MemoryRedis) -> None:
    seen = Observer()
    done = view(ended(Phase.COMPLETED, attempt=2))
    seen.cache.put_job(done)
    await seen.completions.run()
    before = counted()
    await seen.completions.announce(done)
    assert not seen.completions.pending(done)
    assert redis.states["tenant/job"].terminal
    assert seen.store.cleaned == ["uid-of-job"]
    assert seen.events.recorded == [("job", "Completed")]
    assert counted() == before + 1


async def test_two_restarts_announce_nothing_again(redis: MemoryRedis) -> None:
    seen = Observer()
    done = view(ended(Phase.COMPLETED))
    before = counted()
    for _ in range(3):
        after_restart = Observer()
        after_restart.events = seen.events
        after_restart.completions._events = seen.events  # type: ignore[assignment]
        after_restart.cache.put_job(done)
        await after_restart.completions.run()
        if after_restart.completions.pending(done):
            await after_restart.completions.announce(done)
    assert seen.events.recorded == [("job", "Completed")]
    assert counted() == before + 1


async def test_a_second_term_announces_nothing_again_although_events_have_expired(
    redis: MemoryRedis,
) -> None:
    seen = Observer()
    await seen.completions.run()
    done = view(ended(Phase.COMPLETED))
    seen.cache.put_job(done)
    await seen.completions.announce(done)
    before = counted()
    seen.events.created.clear()
    await seen.completions.run()
    assert not seen.completions.pending(done)
    assert counted() == before


async def test_a_second_term_announces_what_completed_between_the_terms(
    redis: MemoryRedis,
) -> None:
    seen = Observer()
    await seen.completions.run()
    done = view(ended(Phase.COMPLETED))
    seen.cache.put_job(done)
    await seen.completions.run()
    assert seen.completions.pending(done)


async def test_a_completion_with_an_event_is_known(redis: MemoryRedis) -> None:
    seen = Observer()
    done, other = view(ended(Phase.COMPLETED)), view(ended(Phase.COMPLETED), "other")
    for each in (done, other):
        seen.cache.put_job(each)
    seen.server.put(f"{events_path('tenant')}/{event_name(done)}", {})
    await seen.completions.run()
    assert not seen.completions.pending(done)
    assert seen.completions.pending(other)


async def test_a_completion_of_long_ago_is_not_announced(redis: MemoryRedis) -> None:
    seen = Observer()
    old = view(ended(Phase.COMPLETED, 3_600))
    seen.cache.put_job(old)
    await seen.completions.run()
    assert not seen.completions.pending(old)


async def test_a_job_that_completes_later_is_pending_whatever_its_runners_clock_says(
    redis: MemoryRedis,
) -> None:
    seen = Observer()
    seen.cache.put_job(view(processing()))
    await seen.completions.run()
    late = view(ended(Phase.COMPLETED, 7_200))
    seen.cache.put_job(late)
    assert seen.completions.pending(late)


async def test_only_completed_jobs_are_announced(redis: MemoryRedis) -> None:
    seen = Observer()
    await seen.completions.run()
    for phase in (Phase.FAILED, Phase.CANCELLED):
        assert not seen.completions.pending(view(ended(phase)))


@pytest.mark.parametrize(
    "error", [ForbiddenError(403, "Forbidden", "no"), UnavailableError(0, "Unreachable", "no")]
)
async def test_without_a_list_of_events_recent_completions_are_pending(
    redis: MemoryRedis, error: KubernetesError
) -> None:
    seen = Observer()
    done = view(ended(Phase.COMPLETED))
    seen.cache.put_job(done)
    seen.server.fail = lambda method, path: error if method == "LIST" else None
    await seen.completions.run()
    assert seen.completions.pending(done)


def test_the_margin_is_only_used_while_events_exist() -> None:
    assert announced_since(None, NOW) == ago(50 * 60)
    assert announced_since(ago(10), NOW) == ago(190)
    assert announced_since(ago(3_600), NOW) == ago(3_600)


@pytest.mark.parametrize("name", ["job", "x" * 253, "x" * 199 + "-y", "x" * 199 + ".y"])
def test_an_events_name_is_valid_and_that_of_one_job(name: str) -> None:
    found = event_name(view(ended(Phase.COMPLETED), name))
    assert len(found.removesuffix(f"uid-of-{name}")) <= 201
    assert not found.removesuffix(f".uid-of-{name}").endswith((".", "-"))
