"""A job and a pool that this release cannot read affect only themselves."""

from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import COMPLETES, Wish, post
from tests.chaos.rest import nothing_left
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness.api import JOBS, POOLS
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.newer_release import newer_crds, unreadable_job, unreadable_pool
from tests.harness.recording import gather_facts, writes_when_quiet
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually
from wherry_core.resources import Phase

START_SECONDS = 30.0
"""Seconds within which an operator acts on a busy machine; the fault was a delay of 120 s."""


async def complete_a_job(world: World, key: str, within: float) -> str:
    """Post a job and wait until it is completed; return its ``namespace/name``."""
    name = await post(world.client, Wish(0, key, tuple(FILES)[:2]))
    await phase_becomes(world, name, Phase.COMPLETED, within)
    return f"{world.namespace}/{name}"


async def phase_becomes(world: World, name: str, phase: Phase, within: float) -> None:
    """Wait until a job is in this phase."""
    await eventually(
        f"the job {name} to be {phase}",
        lambda: world.api.get(JOBS, world.namespace, name),
        lambda found: found.get("status", {}).get("phase") == phase,
        within=within,
    )


async def reported(world: World, plural: str, name: str) -> None:
    """Wait until the status of a resource says that it cannot be read."""
    await eventually(
        f"the status of {name} to say that it cannot be read",
        lambda: world.api.get(plural, world.namespace, name),
        lambda found: any(
            each["type"] == "Readable" and each["status"] == "False"
            for each in found.get("status", {}).get("conditions", [])
        ),
    )


@pytest.mark.timeout(400)
async def test_an_unreadable_job_and_pool_affect_only_themselves(
    cluster: Cluster, own_redis: RedisPair, own_store: Store, tmp_path: Path, times: Times
) -> None:
    quick = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(0, 0))
    files = list(FILES)[:2]
    with newer_crds(cluster, tmp_path):
        async with running_world(
            cluster, own_redis, own_store, tmp_path, quick, replicas=1, runner_proxies=False
        ) as world:
            await world.leader()
            await world.api.create(POOLS, world.namespace, unreadable_pool("newer"))
            await world.api.create(JOBS, world.namespace, unreadable_job("newer", files))
            world.unreadable.add(f"{world.namespace}/newer")
            await reported(world, POOLS, "newer")
            await reported(world, JOBS, "newer")
            asked = [await complete_a_job(world, "while-it-runs", START_SECONDS)]

            async with world.no_operator():
                pass
            asked.append(await complete_a_job(world, "after-a-restart", START_SECONDS))
            assert world.crashes == []

            # Once it has a value that this release knows, it is a job like any other.
            await world.api.patch(JOBS, world.namespace, "newer", {"spec": {"priority": 1}})
            await phase_becomes(world, "newer", Phase.COMPLETED, START_SECONDS)
            asked.append(f"{world.namespace}/newer")
            await nothing_left(world)
            quiet = await writes_when_quiet(world.audit_log, world.namespace)
            facts = await gather_facts(
                world.api,
                world.namespace,
                world.bucket,
                world.history,
                dict.fromkeys(asked, COMPLETES),
                quiet,
            )
    assert broken_promises(facts) == []
