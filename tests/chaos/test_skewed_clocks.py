"""Runners on nodes whose clocks are two minutes off: deadlines and lifetimes stay right."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from localcluster.stores import Store
from tests.chaos.faults import CLOCK_OFF_SECONDS
from tests.chaos.load import COMPLETES, FAILS
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.clocks import clock_environment
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.recording import gather_facts
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob, Phase

DELAY_MS = 4_000
TTL_SECONDS = 10
EARLY, LATE = 1.5, 10.0
"""Seconds by which an end may come early (times have whole seconds), or late."""
TOO_SHORT, ENOUGH = 2, 60
"""Deadlines in seconds, for jobs that take DELAY_MS."""


async def ended(world: World, job: DownloadJob) -> tuple[DownloadJob, float]:
    """Wait for the end of a job; return it, and the monotonic time at which it was seen."""
    found = await jobs.job_becomes(world.api, job, Phase.COMPLETED, Phase.FAILED, within=60)
    return found, time.monotonic()


async def lifetime(world: World, job: DownloadJob) -> float:
    """Return the seconds from the end of a job to its deletion."""
    _, since = await ended(world, job)
    await eventually(
        "the job to be deleted at the end of its lifetime",
        lambda: world.api.find(JOBS, job.metadata.namespace, job.metadata.name),
        lambda found: found is None,
        within=TTL_SECONDS + LATE,
    )
    return time.monotonic() - since


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [CLOCK_OFF_SECONDS, -CLOCK_OFF_SECONDS], ids=["fast", "slow"])
async def test_a_runner_s_clock_decides_nothing(
    seconds: int,
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
) -> None:
    own_times = Times(
        times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(DELAY_MS, DELAY_MS)
    )
    async with running_world(
        cluster, own_redis, own_store, tmp_path, own_times, replicas=1, runner_proxies=False
    ) as world:
        world.node.environment |= clock_environment(seconds)

        async def post(**spec: Any) -> DownloadJob:
            return await jobs.create_job(world.api, world.namespace, list(FILES)[:2], **spec)

        short_lived = await post(ttlSecondsAfterFinished=TTL_SECONDS)
        in_time = await post(activeDeadlineSeconds=ENOUGH)
        too_late = await post(activeDeadlineSeconds=TOO_SHORT, backoffLimit=0)
        lived, (completed, _), (failed, _) = await asyncio.gather(
            lifetime(world, short_lived), ended(world, in_time), ended(world, too_late)
        )

        assert TTL_SECONDS - EARLY <= lived <= TTL_SECONDS + LATE
        assert completed.status.phase is Phase.COMPLETED, completed.status
        assert failed.status.phase is Phase.FAILED, failed.status
        asked = {short_lived.key: COMPLETES, in_time.key: COMPLETES, too_late.key: FAILS}
        facts = await gather_facts(world.api, world.namespace, world.bucket, world.history, asked)
    assert broken_promises(facts) == []
