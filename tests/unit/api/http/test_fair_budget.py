"""Tenants share a budget: none takes all of it, and no part of it is ever lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_api.http.fair_budget import BudgetExhaustedError, FairBudget, Grant


def budget(total: int = 12, waiting: int = 10, patience: float = 60) -> FairBudget:
    return FairBudget(total, waiting_per_tenant=waiting, patience_seconds=patience)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def take_all(shared: FairBudget, tenant: str, count: int) -> list[asyncio.Task[Grant]]:
    tasks = [asyncio.create_task(shared.acquire(tenant, 1)) for _ in range(count)]
    await settled()
    return tasks


def granted(tasks: list[asyncio.Task[Grant]]) -> int:
    return sum(task.done() for task in tasks)


async def test_one_tenant_gets_half_and_two_get_a_third_each() -> None:
    shared = budget()
    first = await take_all(shared, "a", 10)
    assert granted(first) == 6
    second = await take_all(shared, "b", 10)
    assert granted(second) == 3
    # Of the two parts that "a" returns, "b", which holds less, gets one; one stays free.
    shared.release(first[0].result())
    shared.release(first[1].result())
    await settled()
    assert (granted(first), granted(second), shared.free) == (6, 4, 4)


async def test_a_tenant_that_holds_nothing_gets_a_large_part_of_what_is_free() -> None:
    shared = budget()
    await take_all(shared, "a", 10)
    assert (await shared.acquire("b", 6)).amount == 6


async def test_a_request_for_more_than_there_is_gets_all() -> None:
    shared = budget()
    grant = await shared.acquire("a", 1_000)
    assert (grant.amount, shared.free) == (12, 0)
    shared.release(grant)
    assert shared.free == 12


async def test_what_is_not_needed_goes_to_the_next_at_once() -> None:
    shared = budget()
    grant = await shared.acquire("a", 12)
    waiting = await take_all(shared, "b", 1)
    assert granted(waiting) == 0
    shared.shrink(grant, 2)
    await settled()
    assert granted(waiting) == 1
    shared.release(grant)
    shared.release(waiting[0].result())
    assert shared.free == 12


async def test_requests_of_a_tenant_are_granted_in_their_order() -> None:
    shared = budget()
    grant = await shared.acquire("a", 6)
    large = asyncio.create_task(shared.acquire("a", 5))
    await settled()
    small = asyncio.create_task(shared.acquire("a", 1))
    await settled()
    assert not small.done()
    shared.release(grant)
    await settled()
    assert large.done()
    assert small.done()


async def test_too_many_waiting_requests_of_one_tenant_do_not_refuse_another() -> None:
    shared = budget(waiting=2)
    await take_all(shared, "a", 8)
    with pytest.raises(BudgetExhaustedError, match="2 requests of the tenant wait already"):
        await shared.acquire("a", 1)
    assert (await shared.acquire("b", 1)).amount == 1


async def test_a_wait_ends_after_the_patience() -> None:
    shared = budget(patience=0.01)
    grant = await shared.acquire("a", 12)
    with pytest.raises(BudgetExhaustedError, match="no budget became free within"):
        await shared.acquire("b", 1)
    shared.release(grant)
    assert shared.free == 12


@given(st.lists(st.integers(0, 3), max_size=40))
def test_nothing_is_lost_when_waits_are_cancelled_at_any_time(
    steps: list[int],
) -> None:
    async def run() -> None:
        shared = budget(total=4, waiting=50)
        tasks: list[asyncio.Task[Grant]] = []
        for number, step in enumerate(steps):
            done = [t for t in tasks if t.done() and not t.cancelled() and t.result().amount]
            if step < 2:
                tasks.append(asyncio.create_task(shared.acquire("ab"[step], 1 + number % 3)))
            elif step == 2 and done:
                shared.release(done[0].result())
            elif tasks:
                # Without a pause after a release, so that the cancel races with a grant.
                tasks[number % len(tasks)].cancel()
            if number % 2:
                await settled()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled() and task.exception() is None and task.result().amount:
                shared.release(task.result())
        await settled()
        assert shared.free == 4

    asyncio.run(run())
