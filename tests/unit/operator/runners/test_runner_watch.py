"""Which runners are unresponsive, leave, or have no pod any more."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.operator.observing import NAMESPACE, Observer, keys, raw_pod, raw_pool
from wherry_core.kubernetes.paths import pods_path
from wherry_core.redis.runner_registry import RunnerId, RunnerRecord
from wherry_operator.intake.cache import Kind
from wherry_operator.repair.queue_index import QueueIndex
from wherry_operator.runners.lost_runners import Heartbeats
from wherry_operator.runners.runner_watch import RunnerWatch

NAME = "default-runner-0"
A, B = RunnerId("a", "uid-a"), RunnerId("b", "uid-b")
RUNNER, NEXT = RunnerId(NAME, f"uid-of-{NAME}"), RunnerId(NAME, "another")


@dataclass
class Records:
    """The runners' half of the index."""

    up: bool = True
    known: dict[RunnerId, RunnerRecord] = field(default_factory=dict)
    dismissed: list[RunnerId] = field(default_factory=list)

    async def records(self, pool: str, runners: Any) -> dict[RunnerId, RunnerRecord] | None:
        return (
            {each: self.known[each] for each in runners if each in self.known} if self.up else None
        )

    async def living(self, pool: str) -> frozenset[RunnerId]:
        return frozenset(self.known)

    async def dismiss(self, pool: str, runner: RunnerId) -> bool:
        self.dismissed.append(runner)
        self.known.pop(runner, None)
        return True

    async def stop(self, pool: str, runner: RunnerId, job: str) -> None: ...


def record(heartbeat: int = 1, *, draining: bool = False) -> RunnerRecord:
    return RunnerRecord(heartbeat=heartbeat, draining=draining, jobs=frozenset())


def watch_of(seen: Observer, records: Records, timeout_seconds: float = 30) -> RunnerWatch:
    return RunnerWatch(
        seen.server.client,
        seen.cache,
        cast("QueueIndex", records),
        namespace=NAMESPACE,
        jobs=seen.jobs,
        pools=seen.pools,
        timeout_seconds=timeout_seconds,
    )


async def with_pod() -> Observer:
    """Return an observer that has seen a pool with one running pod."""
    seen = Observer()
    seen.intake.ingest(Kind.POOL, raw_pool())
    seen.server.put(pods_path(NAMESPACE, NAME), raw_pod())
    seen.intake.ingest(Kind.POD, raw_pod())
    await keys(seen.pools)
    return seen


def test_a_runner_is_unresponsive_once_its_counter_stands_still() -> None:
    watch = Heartbeats(30)
    watch.update([A, B], {A: 1, B: 1}, 0)
    watch.update([A, B], {A: 2, B: 1}, 20)
    assert watch.unresponsive(29) == frozenset()
    assert watch.unresponsive(30) == {"b"}
    watch.update([A, B], {A: 2, B: 2}, 40)
    assert watch.unresponsive(49) == frozenset()
    assert watch.unresponsive(50) == {"a"}


def test_a_runner_that_redis_does_not_know_has_its_full_time() -> None:
    watch = Heartbeats(30)
    watch.update([A], {}, 100)
    assert watch.unresponsive(129) == frozenset()
    assert watch.unresponsive(130) == {"a"}


def test_a_flush_makes_no_runner_unresponsive() -> None:
    watch = Heartbeats(30)
    watch.update([A], {A: 50}, 0)
    watch.update([A], {A: 1}, 2)
    assert watch.unresponsive(31) == frozenset()


def test_the_time_without_redis_does_not_count() -> None:
    watch = Heartbeats(30)
    watch.update([A], {A: 1}, 0)
    watch.restart(60)
    assert watch.unresponsive(89) == frozenset()


def test_runners_that_are_gone_are_dropped() -> None:
    watch = Heartbeats(30)
    watch.update([A], {A: 1}, 0)
    watch.update([], {}, 2)
    assert watch.unresponsive(99) == frozenset()


@pytest.mark.parametrize("counts", [{NEXT: 1}, {}], ids=["with a heartbeat", "before its first"])
def test_a_new_pod_of_a_name_has_the_full_timeout(counts: dict[RunnerId, int]) -> None:
    beats = Heartbeats(30)
    beats.update([RUNNER], {RUNNER: 1}, 0)
    beats.update([NEXT], counts, 40)
    assert beats.unresponsive(40) == frozenset()
    assert beats.unresponsive(70) == {NAME}


async def test_an_unresponsive_runner_requeues_its_pool() -> None:
    seen = await with_pod()
    watch = watch_of(seen, Records(known={RUNNER: record()}), timeout_seconds=0)
    await watch._read()
    assert watch.unresponsive == {NAME}
    assert await keys(seen.pools) == ["default"]


async def test_a_drain_mark_requeues_the_pool_once() -> None:
    seen = await with_pod()
    watch = watch_of(seen, Records(known={RUNNER: record(draining=True)}))
    await watch._read()
    assert watch.draining("default") == {RUNNER.uid}
    assert await keys(seen.pools) == ["default"]
    await watch._read()
    assert seen.pools.idle


async def test_a_pod_that_vanished_is_dismissed_at_the_next_reading() -> None:
    seen = await with_pod()
    records = Records(known={RUNNER: record()})
    watch = watch_of(seen, records)
    await watch._read()
    del seen.server.objects[pods_path(NAMESPACE, NAME)]
    seen.intake.drop_pod(NAME, RUNNER.uid)
    await watch._read()
    assert records.dismissed == [RUNNER]


async def test_a_runner_without_a_pod_is_dismissed_at_the_second_reading() -> None:
    seen = await with_pod()
    records = Records(known={RUNNER: record(), NEXT: record()})
    watch = watch_of(seen, records)
    await watch._read()
    assert records.dismissed == []
    await watch._read()
    assert records.dismissed == [NEXT]


async def test_a_pod_that_the_cache_does_not_have_yet_is_not_dismissed() -> None:
    seen = Observer()
    seen.intake.ingest(Kind.POOL, raw_pool())
    seen.server.put(pods_path(NAMESPACE, NAME), raw_pod())
    records = Records(known={RUNNER: record()})
    watch = watch_of(seen, records)
    for _ in range(3):
        await watch._read()
    assert records.dismissed == []


async def test_an_outage_of_redis_gives_every_runner_the_full_timeout() -> None:
    seen = await with_pod()
    records = Records(known={RUNNER: record()})
    watch = watch_of(seen, records, timeout_seconds=0.01)
    records.up = False
    assert not await watch._read()
    assert watch.unresponsive == frozenset()
