"""Slots are granted in order, limited, and never lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_api.http.slots import NoSlotError, Slots


class Work:
    """Tasks that take slots and end on request."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.begun: list[int] = []
        self.ends: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def start(self, number: int, tenant: str = "a") -> asyncio.Task[None]:
        """Start to wait for a slot."""
        self.ends[number] = asyncio.Event()
        self.tasks[number] = asyncio.create_task(self._run(number, tenant))
        await settled()
        return self.tasks[number]

    async def _run(self, number: int, tenant: str) -> None:
        async with self.slots.slot(tenant):
            self.begun.append(number)
            await self.ends[number].wait()

    async def finish(self, number: int) -> None:
        """End one task, so that the next one begins."""
        self.ends[number].set()
        await self.tasks[number]
        await settled()


async def settled() -> None:
    """Run all tasks that are ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_slots_are_limited_and_granted_in_order() -> None:
    work = Work(Slots(2, waiting=10, patience_seconds=60))
    for number in range(5):
        await work.start(number)
    assert work.begun == [0, 1]
    assert work.slots.waiting == 3

    await work.finish(1)
    await work.start(5)
    assert work.begun == [0, 1, 2]

    for number in (0, 2, 3, 4, 5):
        await work.finish(number)
    assert work.begun == [0, 1, 2, 3, 4, 5]
    assert work.slots.waiting == 0


async def test_a_full_queue_refuses_at_once() -> None:
    work = Work(Slots(1, waiting=1, patience_seconds=60))
    for number in range(2):
        await work.start(number)
    with pytest.raises(NoSlotError, match="1 requests wait already"):
        await (await work.start(2))

    await work.finish(0)
    await work.finish(1)
    assert work.begun == [0, 1]


async def test_a_wait_for_a_slot_ends_after_the_patience() -> None:
    work = Work(Slots(1, waiting=5, patience_seconds=0.01))
    await work.start(0)
    with pytest.raises(NoSlotError, match="no slot became free within"):
        await (await work.start(1))
    assert work.slots.waiting == 0

    await work.finish(0)
    await work.start(2)
    await work.finish(2)
    assert work.begun == [0, 2]


async def test_a_cancelled_waiter_loses_no_slot() -> None:
    work = Work(Slots(1, waiting=5, patience_seconds=60))
    for number in range(3):
        await work.start(number)
    for number in (1, 0):
        work.tasks[number].cancel()
        await settled()

    assert work.begun == [0, 2]
    await work.finish(2)
    assert work.slots.waiting == 0


async def test_tenants_take_turns() -> None:
    work = Work(Slots(1, waiting=20, patience_seconds=60))
    for number in range(5):
        await work.start(number, "burst")
    await work.start(10, "b")
    await work.start(11, "b")
    await work.start(20, "c")

    for number in (0, 1, 10, 20, 2, 11, 3, 4):
        await work.finish(number)
    assert work.begun == [0, 1, 10, 20, 2, 11, 3, 4]


async def test_one_tenant_fills_only_half_of_the_queue() -> None:
    work = Work(Slots(1, waiting=4, patience_seconds=60))
    for number in range(3):
        await work.start(number, "burst")
    with pytest.raises(NoSlotError, match="2 of the tenant"):
        await (await work.start(3, "burst"))
    await work.start(10, "b")
    await work.finish(0)
    await work.finish(1)
    assert work.begun == [0, 1, 10]
    for number in (10, 2):
        await work.finish(number)


@given(st.lists(st.tuples(st.sampled_from("sfc"), st.integers(0, 9)), max_size=40))
def test_no_slot_is_lost_when_waits_are_cancelled_at_any_time(
    steps: list[tuple[str, int]],
) -> None:
    async def run() -> None:
        work = Work(Slots(2, waiting=50, patience_seconds=60))
        for number, (step, target) in enumerate(steps):
            if step == "s":
                await work.start(100 + number, "ab"[target % 2])
            elif work.tasks:
                chosen = list(work.tasks)[target % len(work.tasks)]
                if step == "f":
                    # Without a pause after it: a following cancel races with the grant.
                    work.ends[chosen].set()
                else:
                    work.tasks[chosen].cancel()
                if number % 2:
                    await settled()
        for task in work.tasks.values():
            task.cancel()
        await asyncio.gather(*work.tasks.values(), return_exceptions=True)
        assert work.slots.waiting == 0
        last = Work(work.slots)
        for number in range(3):
            await last.start(number)
        assert last.begun == [0, 1]
        for task in last.tasks.values():
            task.cancel()

    asyncio.run(run())
