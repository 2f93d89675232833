"""The operator dies after each of its writes and restarts: every job ends as it should."""

import asyncio
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from localcluster.stores import Store
from tests.chaos.faults import FAULT_POINT
from tests.chaos.load import COMPLETES, FAILS, Wish, post
from tests.chaos.rest import nothing_left
from tests.chaos.world import FILES, MISSING, Times, World, running_world
from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.recording import gather_facts, writes_when_quiet
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import RETRY_ANNOTATION, RETRY_OF_LABEL

WRITES: Final = frozenset(
    {
        "patch-downloadjobs/status",
        "patch-downloadjobs",
        "post-downloadjobs",
        "delete-downloadjobs",
        "post-pods",
        "delete-pods",
        "patch-runnerpools/status",
        "post-events",
        "redis-enqueue",
        "redis-remove",
        "redis-drain",
    }
)
"""Writes that a new operator does not repeat. After others it would die again and again; those
have tests of their own in tests/integration/operator."""
LEAST_DEATHS: Final = 10
DEATH: Final = re.compile(r"killed itself at the fault point after-(\S+)")
PATIENCE_SECONDS: Final = 400.0
"""The operator starts some forty times, each time for a second or, on a busy machine, for ten."""


@asynccontextmanager
async def restarted(world: World) -> AsyncIterator[None]:
    """Restart the operator at once whenever it ends; in the end without fault points."""
    process = world.replicas[0].process

    async def keep() -> None:
        while True:
            async with world.operator_lock:
                if not process.running:
                    assert process.exit_code == -signal.SIGKILL, process.log_tail()
                    process.start()
            await asyncio.sleep(0.05)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        async with world.operator_lock:
            if process.running:
                process.kill()
            del process.environment[FAULT_POINT]
            process.start()


async def read(world: World, name: str) -> DownloadJob:
    return DownloadJob.model_validate(await world.api.get(JOBS, world.namespace, name))


async def becomes(world: World, name: str, *phases: Phase) -> DownloadJob:
    return await eventually(
        f"the job to be {' or '.join(phases)}",
        lambda: read(world, name),
        lambda found: found.status.phase in phases,
        within=PATIENCE_SECONDS,
    )


async def change(world: World, name: str, **spec: bool) -> None:
    await world.api.patch(JOBS, world.namespace, name, {"spec": spec})


async def a_suspended_job(world: World, name: str) -> None:
    await becomes(world, name, Phase.QUEUED, Phase.PROCESSING)
    await change(world, name, suspend=True)
    await eventually(
        "the job to be suspended",
        lambda: read(world, name),
        lambda found: any(each.type == "Suspended" for each in found.status.conditions),
        within=PATIENCE_SECONDS,
    )
    await change(world, name, suspend=False)
    await becomes(world, name, Phase.COMPLETED)


async def a_retry(world: World, name: str) -> str:
    """Wait until a job has failed and retry it; return the new job."""
    await becomes(world, name, Phase.FAILED)
    annotation = {"metadata": {"annotations": {RETRY_ANNOTATION: "now"}}}
    await world.api.patch(JOBS, world.namespace, name, annotation)

    async def retries() -> list[str]:
        found = await world.api.list_all(JOBS, world.namespace)
        return [
            each["metadata"]["name"]
            for each in found
            if each["metadata"].get("labels", {}).get(RETRY_OF_LABEL) == name
        ]

    (again,) = await eventually("the retry", retries, within=PATIENCE_SECONDS)
    return again


async def a_killed_runner(world: World, name: str) -> None:
    taken = await becomes(world, name, Phase.PROCESSING)
    world.node.process(str(taken.status.runner)).send(signal.SIGKILL)
    await becomes(world, name, Phase.COMPLETED)


async def a_short_life(world: World, name: str) -> None:
    await eventually(
        "the job to be deleted at the end of its lifetime",
        lambda: world.api.find(JOBS, world.namespace, name),
        lambda found: found is None,
        within=PATIENCE_SECONDS,
    )


@pytest.mark.timeout(900)
async def test_the_end_is_the_same_when_the_operator_dies_after_every_write(
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
    real_lengths: bool,
) -> None:
    if not real_lengths:
        pytest.skip("an operator starts some forty times; it runs with --jobs 200 or more")
    operator = {
        "WHERRY_LEADER_ELECTION": "false",
        "WHERRY_ARCHIVE_SWEEP_SECONDS": "5",
        "WHERRY_ORPHAN_AGE_SECONDS": "10",
        FAULT_POINT: ",".join(f"after-{write}" for write in sorted(WRITES)),
    }
    slow = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(1_500, 2_000))
    files = tuple(FILES)[:2]
    asked = {}
    async with running_world(
        cluster, own_redis, own_store, tmp_path, slow, replicas=1, operator=operator, maxRunners=2
    ) as world:

        async def ask(key: str, *more: str) -> str:
            name = await post(world.client, Wish(0, key, (*files, *more)))
            asked[f"{world.namespace}/{name}"] = FAILS if more else COMPLETES
            return name

        async with restarted(world):
            short = await jobs.create_job(
                world.api, world.namespace, list(files), ttlSecondsAfterFinished=1
            )
            asked[short.key] = COMPLETES
            failing = await ask("failing", MISSING)
            async with asyncio.TaskGroup() as group:
                group.create_task(a_short_life(world, short.metadata.name))
                retry = group.create_task(a_retry(world, failing))
                group.create_task(a_killed_runner(world, await ask("killed")))
                group.create_task(a_suspended_job(world, await ask("suspended")))
            asked[f"{world.namespace}/{retry.result()}"] = FAILS
            await becomes(world, retry.result(), Phase.FAILED)
            cancelled = await ask("cancelled")
            # Its runner may complete it first, because the operator is down most of the time.
            asked[f"{world.namespace}/{cancelled}"] = COMPLETES | {Phase.CANCELLED}
            await becomes(world, cancelled, Phase.PROCESSING)
            await change(world, cancelled, cancel=True)
            await becomes(world, cancelled, Phase.CANCELLED, Phase.COMPLETED)
            await eventually(
                "all runners to have left",
                lambda: world.api.list_all("pods", world.namespace),
                lambda pods: not pods,
                within=PATIENCE_SECONDS,
            )
        died = DEATH.findall(world.replicas[0].process.log_text())
        print(f"the operator died {len(died)} times: {Counter(died)}")
        assert len(died) >= LEAST_DEATHS
        await nothing_left(world)
        quiet = await writes_when_quiet(world.audit_log, world.namespace)
        facts = await gather_facts(
            world.api, world.namespace, world.bucket, world.history, asked, quiet
        )
    assert broken_promises(facts) == []
