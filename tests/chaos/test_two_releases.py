"""Two releases on one Redis database and one store do not see each other."""

import asyncio
from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import COMPLETES, Wish, post
from tests.chaos.rest import nothing_left
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.recording import gather_facts
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob, Phase

COUNT = 8


@pytest.mark.timeout(400)
async def test_jobs_of_two_releases_complete_by_their_own_runners(
    cluster: Cluster, own_redis: RedisPair, own_store: Store, tmp_path: Path
) -> None:
    # Default times, so that no runner of a busy machine counts as unresponsive.
    quick = Times(delay_ms=(100, 300))

    async def complete_jobs(world: World) -> dict[str, DownloadJob]:
        wishes = [Wish(0, f"number-{number}", tuple(FILES)[:2]) for number in range(COUNT)]
        names = await asyncio.gather(*(post(world.client, wish) for wish in wishes))

        async def jobs() -> dict[str, DownloadJob]:
            found = [await world.api.get(JOBS, world.namespace, name) for name in names]
            return {job.key: job for job in map(DownloadJob.model_validate, found)}

        return await eventually(
            "all jobs of the release to end",
            jobs,
            lambda found: all(job.ended for job in found.values()),
            within=90,
        )

    async with (
        running_world(
            cluster, own_redis, own_store, tmp_path / "one", quick, replicas=1, runner_proxies=False
        ) as one,
        running_world(
            cluster, own_redis, own_store, tmp_path / "two", quick, replicas=1, runner_proxies=False
        ) as two,
    ):
        for world, jobs in zip(
            (one, two), await asyncio.gather(complete_jobs(one), complete_jobs(two)), strict=True
        ):
            for job in jobs.values():
                assert job.status.phase is Phase.COMPLETED
                assert (job.status.attempt, job.status.failures) == (1, ())
                assert world.node.process(str(job.status.runner)).namespace == world.namespace
            await nothing_left(world)
            asked = dict.fromkeys(jobs, COMPLETES)
            facts = await gather_facts(
                world.api, world.namespace, world.bucket, world.history, asked
            )
            assert broken_promises(facts) == []
