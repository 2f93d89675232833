"""Jobs under a random schedule of all faults: none lost, none done twice, nothing left over."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.faults import FAULTS
from tests.chaos.load import all_ended, ask_for_all, wishes
from tests.chaos.rest import answers_for, deletions_known, nothing_left
from tests.chaos.schedule import Kind, Lengths, Strike, schedule
from tests.chaos.world import Times, World, running_world
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.newer_release import newer_crds
from tests.harness.recording import gather_facts, writes_when_quiet
from tests.harness.redis_pair import RedisPair
from wherry_core.resources import Phase

SECONDS_PER_JOB = 0.3
LEAST_SECONDS = 35.0
SECONDS_PER_STRIKE = 2.5
ORPHAN_AGE = "15"
SWEEP = "5"


async def _strike(world: World, strikes: tuple[Strike, ...]) -> None:
    """Inject every fault at its time; faults overlap."""
    started = time.monotonic()

    async def inject(strike: Strike) -> None:
        await asyncio.sleep(max(0.0, started + strike.at - time.monotonic()))
        print(f"{time.monotonic() - started:6.1f} s: {strike.kind} ({strike.seconds:.1f} s)")
        await FAULTS[strike.kind](world, strike)

    async with asyncio.TaskGroup() as group:
        for strike in strikes:
            group.create_task(inject(strike))


def _print_figures(world: World, seconds: float, phases: dict[str, int]) -> None:
    last = {change.job.key: change.job for change in world.history.changes}
    lost = sum(job.status.lost_attempts for job in last.values())
    failed = sum(job.status.failed_attempts for job in last.values())
    reasons = Counter(each.reason for job in last.values() for each in job.status.failures)
    again = sum(job.status.attempt > 1 for job in last.values())
    print(f"{len(last)} jobs ended after {seconds:.0f} s: {phases}")
    for crash in world.crashes:
        print(f"ended by itself: {crash}")
    print(f"{again} took more than one attempt; {lost} attempts lost, {failed} failed: {reasons}")


@pytest.mark.timeout(2_400)
async def test_no_job_is_lost_done_twice_or_left_over(
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
    lengths: Lengths,
    job_count: int,
    seed: int,
) -> None:
    again = f"pytest tests/chaos/test_random_faults.py --jobs {job_count} --seed {seed}"
    print(f"run it again with: {again}")
    seconds = max(LEAST_SECONDS, job_count * SECONDS_PER_JOB)
    strikes = schedule(seed, seconds, max(len(Kind), int(seconds / SECONDS_PER_STRIKE)), lengths)
    operator = {"WHERRY_ARCHIVE_SWEEP_SECONDS": SWEEP, "WHERRY_ORPHAN_AGE_SECONDS": ORPHAN_AGE}
    started = time.monotonic()
    try:
        async with AsyncExitStack() as stack:
            stack.enter_context(newer_crds(cluster, tmp_path))
            world = await stack.enter_async_context(
                running_world(cluster, own_redis, own_store, tmp_path, times, operator=operator)
            )
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(ask_for_all(world, wishes(seed, job_count, seconds)))
                group.create_task(_strike(world, strikes))
            asked = asking.result()
            phases = await all_ended(world, job_count)
            _print_figures(world, time.monotonic() - started, dict(phases))
            await nothing_left(world)
            await deletions_known(world)
            quiet = await writes_when_quiet(world.audit_log, world.namespace)
            cancelled = frozenset({Phase.CANCELLED})
            ends = {
                key: found | cancelled if key in world.may_be_cancelled else found
                for key, found in asked.items()
            }
            facts = await gather_facts(
                world.api,
                world.namespace,
                world.bucket,
                world.history,
                ends,
                quiet,
                deleted=world.deleted,
                answers=await answers_for(world, ends),
            )
        broken = broken_promises(facts)
        assert not broken, "\n".join(broken)
    except BaseException as error:
        error.add_note(f"seed {seed}; run it again with: {again}\nlogs: {tmp_path}")
        raise
