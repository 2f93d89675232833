"""What an attempt that fails or is cancelled holds of the process's budget afterwards: nothing."""

import asyncio
from typing import Any

import pytest

from tests.unit.jobrunner.archive.sources import MIB, planned, source
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.plan import Plan
from wherry_jobrunner.archive.store.errors import source_changed
from wherry_jobrunner.archive.store.multipart_upload import Upload
from wherry_jobrunner.archive.store.objects import SourceObject
from wherry_jobrunner.archive.transfer.byte_budget import ByteBudget
from wherry_jobrunner.archive.transfer.executor import Executor
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums
from wherry_jobrunner.archive.transfer.progress_counter import ProgressCounter

PART = 8 * MIB


class Store:
    """A store whose reads wait until ``changed`` is set; then the objects are other ones."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.changed = asyncio.Event()

    async def read_into(self, _bucket: str, source: SourceObject, *_: Any) -> None:
        self.reading.set()
        await self.changed.wait()
        raise source_changed(source)


def executor(plan: Plan, store: Any, budget: ByteBudget) -> Executor:
    return Executor(
        plan=plan,
        upload=Upload("archives", "a.zip", "upload", with_crc32=True),
        client=None,
        requests=store,
        source_bucket="files",
        checksums=MemberChecksums(plan),
        digests=None,
        progress=ProgressCounter(plan, len(plan.files), lambda _: None),
        share=budget.share(),
        buffer_bytes=4 * PART,
        copies=0,
        journal=None,
        job="team-a/job",
    )


async def test_a_part_that_fails_while_the_next_one_waits_for_the_budget_leaves_nothing() -> None:
    plan = planned([source(number, PART) for number in range(8)])
    budget, store = ByteBudget(3 * PART), Store()
    running = asyncio.create_task(executor(plan, store, budget).run({}))
    await store.reading.wait()
    store.changed.set()
    with pytest.raises(ArchiveError, match="SourceChanged"):
        await running
    assert budget.used == 0


async def test_a_cancelled_attempt_leaves_nothing_whenever_it_is_cancelled() -> None:
    plan = planned([source(number, PART) for number in range(8)])
    budget = ByteBudget(3 * PART)
    for turns in range(6):
        running = asyncio.create_task(executor(plan, Store(), budget).run({}))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        assert budget.used == 0, turns
