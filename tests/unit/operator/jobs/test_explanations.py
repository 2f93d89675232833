"""How often waiting jobs are explained, and which explanations are stale."""

from typing import cast

import pytest

from tests.unit.operator.builders import ago, condition, pool, queued
from tests.unit.operator.observing import keys
from wherry_core.resources import DownloadJob
from wherry_operator.intake.cache import ClusterCache, PoolView
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.explanations import (
    SAME_JOB_SECONDS,
    SLOT_SECONDS,
    STALE_AT_ONCE,
    UNUSED_SECONDS,
    ExplanationBudget,
    StaleExplanations,
)
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.queue_index import QueueIndex


def moments(budget: ExplanationBudget, jobs: list[str], *, first: bool = True) -> list[float]:
    return [budget.seconds_until_allowed(job, 0, first=first) for job in jobs]


def test_jobs_are_explained_one_after_the_other_in_the_order_in_which_they_ask() -> None:
    budget = ExplanationBudget()
    assert moments(budget, ["a", "b", "c"]) == [0, SLOT_SECONDS, 2 * SLOT_SECONDS]
    assert moments(budget, ["c", "b", "a"]) == [2 * SLOT_SECONDS, SLOT_SECONDS, 0]
    budget.written("a", 0)
    assert budget.seconds_until_allowed("b", SLOT_SECONDS, first=True) == 0


def test_at_most_ten_writes_a_second_whatever_asks() -> None:
    """Simulates a second in which 1,000 jobs ask at every moment that they are given."""
    budget = ExplanationBudget()
    first = {f"first-{number}": 0.0 for number in range(500)}
    updates = {f"update-{number}": 0.0 for number in range(500)}
    written = 0
    for step in range(1_000):
        now = step / 1_000
        for waiting, is_first in ((first, True), (updates, False)):
            for job in [job for job, due in waiting.items() if due <= now]:
                pause = budget.seconds_until_allowed(job, now, first=is_first)
                if pause > 0:
                    waiting[job] = now + pause
                else:
                    budget.written(job, now)
                    del waiting[job]
                    written += 1
    assert written == 10


def test_many_updates_do_not_delay_a_first_explanation() -> None:
    budget = ExplanationBudget()
    moments(budget, [f"explained-{number}" for number in range(10_000)], first=False)
    assert budget.seconds_until_allowed("new", 0, first=True) == 0


def test_the_same_job_is_explained_once_a_minute() -> None:
    budget = ExplanationBudget()
    budget.written("a", 10)
    assert budget.seconds_until_allowed("a", 11, first=False) == SAME_JOB_SECONDS - 1
    assert budget.seconds_until_allowed("a", 10 + SAME_JOB_SECONDS, first=False) == 0


def test_a_write_that_failed_keeps_its_moment() -> None:
    budget = ExplanationBudget()
    assert budget.seconds_until_allowed("a", 0, first=True) == 0
    assert budget.seconds_until_allowed("a", 1, first=True) == 0


def test_moments_that_were_not_used_are_dropped() -> None:
    budget = ExplanationBudget()
    moments(budget, ["gone"])
    later = UNUSED_SECONDS + 1
    assert budget.seconds_until_allowed("other", later, first=True) == 0
    assert budget.seconds_until_allowed("gone", later, first=True) == pytest.approx(SLOT_SECONDS)
    budget.release("gone")
    assert budget.seconds_until_allowed("gone", later, first=True) == pytest.approx(
        2 * SLOT_SECONDS
    )


class Index:
    """Says whether Redis is available."""

    up = True


class World:
    """Waiting jobs and their pool, as the operator knows them."""

    def __init__(self) -> None:
        self.cache, self.jobs, self.index = ClusterCache(), WorkQueue("job"), Index()
        self.stale = StaleExplanations(self.cache, cast("QueueIndex", self.index), self.jobs)
        self._version = 10

    def put_pool(self, **spec: object) -> None:
        self._version += 1
        found = pool(**spec)
        metadata = found.metadata.model_copy(update={"resource_version": str(self._version)})
        self.cache.put_pool(PoolView(found.model_copy(update={"metadata": metadata})))

    def put_job(self, name: str, reason: str | None) -> None:
        self._version += 1
        waiting = condition("Waiting", value=reason is not None)
        conditions = (waiting.model_copy(update={"reason": reason or "Claimed"}),)
        seen: DownloadJob = queued(queued_time=ago(60), conditions=conditions)
        metadata = seen.metadata.model_copy(
            update={"name": name, "uid": name, "resource_version": str(self._version)}
        )
        self.cache.put_job(JobView(job=seen.model_copy(update={"metadata": metadata}), files=1))

    async def check(self, *moments: float) -> list[str]:
        """Check at each of ``moments``; return the jobs that the last check requeued."""
        requeued: list[str] = []
        for moment in moments:
            self.stale.check(moment)
            requeued = await keys(self.jobs)
        return requeued


async def test_jobs_with_a_stale_reason_are_requeued_once_the_pool_has_settled() -> None:
    world = World()
    world.put_pool(paused=True)
    world.put_job("stale", "PoolPaused")
    world.put_job("right", "MaxRunnersZero")
    world.put_job("unexplained", None)
    assert await world.check(0, 1) == []
    world.put_pool(maxRunners=0)
    assert await world.check(2, 6.9) == []
    assert await world.check(7) == ["tenant/stale"]
    assert await world.check(8, 60) == []


async def test_nothing_is_requeued_at_rest() -> None:
    world = World()
    world.put_pool(paused=True)
    world.put_job("a", "MaxRunnersZero")
    assert await world.check(*range(100)) == []


async def test_jobs_are_requeued_when_redis_is_unavailable_and_when_it_is_back() -> None:
    world = World()
    world.put_pool(paused=True)
    world.put_job("a", "PoolPaused")
    await world.check(0)
    world.index.up = False
    await world.check(1, 5.9)
    assert not world.stale.redis_unavailable
    await world.check(6)
    assert world.stale.redis_unavailable
    assert await world.check(11) == ["tenant/a"]
    world.put_job("a", "RedisUnavailable")
    world.index.up = True
    await world.check(20)
    assert not world.stale.redis_unavailable
    assert await world.check(25) == ["tenant/a"]


async def test_a_short_outage_of_redis_is_no_reason_to_wait() -> None:
    world = World()
    world.put_pool(paused=True)
    world.put_job("a", "PoolPaused")
    for moment in range(40):
        world.index.up = moment % 5 == 0
        assert await world.check(moment) == []
        assert not world.stale.redis_unavailable


async def test_many_stale_jobs_are_requeued_over_several_checks() -> None:
    world = World()
    world.put_pool(paused=True)
    for number in range(STALE_AT_ONCE + 1):
        world.put_job(str(number), "PoolPaused")
    await world.check(0)
    world.put_pool(maxRunners=0)
    await world.check(1)
    assert len(await world.check(6)) == STALE_AT_ONCE
    assert len(await world.check(7)) == 1
