import asyncio

from wherry_jobrunner.archive.transfer.byte_budget import ByteBudget


async def test_grants_come_in_order_and_stop_at_the_capacity() -> None:
    budget = ByteBudget(100)
    share = budget.share()
    for _ in range(2):
        await share.acquire(40)
    order: list[int] = []

    async def take(number: int, size: int) -> None:
        await share.acquire(size)
        order.append(number)

    tasks = [asyncio.create_task(take(1, 50)), asyncio.create_task(take(2, 10))]
    await asyncio.sleep(0)
    assert order == []
    share.release(40)
    await asyncio.gather(*tasks)
    assert order == [1, 2]
    assert budget.used == 100


async def test_a_second_job_always_gets_two_parts() -> None:
    budget = ByteBudget(100)
    first, second = budget.share(), budget.share()
    await first.acquire(60)
    await first.acquire(40)
    await second.acquire(30)
    await second.acquire(30)
    waiting = asyncio.create_task(second.acquire(30))
    await asyncio.sleep(0)
    assert not waiting.done()
    for size in (60, 40):
        first.release(size)
    await waiting
    assert budget.used == 90


async def test_one_that_stops_waiting_leaves_nothing_behind() -> None:
    budget = ByteBudget(10)
    share = budget.share()
    for _ in range(2):
        await share.acquire(5)
    waiting = asyncio.create_task(share.acquire(5))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for _ in range(2):
        share.release(5)
    assert (budget.used, share.held) == (0, 0)
    for _ in range(2):
        await share.acquire(5)
    assert budget.used == 10


async def test_a_release_passes_over_a_waiter_that_was_just_cancelled() -> None:
    budget = ByteBudget(100)
    first, second = budget.share(), budget.share()
    for share in (first, first, second, second):
        await share.acquire(25)
    cancelled, waiting = (asyncio.create_task(share.acquire(25)) for share in (first, second))
    await asyncio.sleep(0)
    cancelled.cancel()
    second.release(25)
    await asyncio.wait({cancelled, waiting})
    assert cancelled.cancelled()
    assert budget.used == 100
