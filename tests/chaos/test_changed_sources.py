"""A source file changes between two jobs: the second archive has the new bytes."""

from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import COMPLETES, Wish, post
from tests.chaos.world import Times, World, running_world
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.recording import gather_facts
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob

IDS = ("18", "19")
FIRST, LONGER, SAME_LENGTH = b"", b"new" * 8_000, b"old" * 8_000


async def bundle(world: World, key: str) -> str:
    """Post a job for both files and wait until it has ended; return its ``namespace/name``."""
    name = await post(world.client, Wish(0, key, IDS))
    await eventually(
        f"the job {key} to end",
        lambda: world.api.get(JOBS, world.namespace, name),
        lambda found: DownloadJob.model_validate(found).ended,
        within=60,
    )
    return f"{world.namespace}/{name}"


@pytest.mark.timeout(300)
async def test_each_archive_has_the_bytes_that_were_stored_before_its_job_was_posted(
    cluster: Cluster, own_redis: RedisPair, own_store: Store, tmp_path: Path, times: Times
) -> None:
    quick = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(0, 0))
    # One runner for all the jobs, because a runner may keep what it knows of a file.
    async with running_world(
        cluster,
        own_redis,
        own_store,
        tmp_path,
        quick,
        replicas=1,
        runner_proxies=False,
        maxRunners=1,
        idleSeconds=60,
    ) as world:
        await world.bucket.put_files({"19": FIRST})
        jobs = [await bundle(world, "empty")]
        for key, body in (("longer", LONGER), ("same-length", SAME_LENGTH), ("empty-again", b"")):
            await world.bucket.put_files({"19": body})
            jobs.append(await bundle(world, key))

        asked = dict.fromkeys(jobs, COMPLETES)
        facts = await gather_facts(world.api, world.namespace, world.bucket, world.history, asked)
    assert broken_promises(facts) == []
