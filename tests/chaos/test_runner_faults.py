"""A runner that is frozen, cut off or without a pod completes nothing that others complete."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import COMPLETES, Wish, post
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.model import broken_promises
from tests.harness.pod_process import PodProcess
from tests.harness.recording import gather_facts
from tests.harness.redis_pair import RedisPair
from tests.harness.tcp_proxy import Link, TcpProxy
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import JobReason

SHORT_FREEZE, REAL_FREEZE = 20.0, 120.0
GRACE_SECONDS = 600
"""Grace period of the pod: its node ends a frozen process only after it."""
LATER_JOBS = 4


async def job_of(world: World, name: str) -> DownloadJob:
    return DownloadJob.model_validate(await world.api.get(JOBS, world.namespace, name))


async def taken_job(world: World) -> tuple[str, PodProcess]:
    """Post a job; return its id and the runner, once it knows that it has claimed the job."""
    name = await post(world.client, Wish(0, "victim", tuple(FILES)[:3]))
    job = await eventually(
        "the job to be taken",
        lambda: job_of(world, name),
        lambda found: found.status.phase is Phase.PROCESSING,
    )
    runner = world.node.process(str(job.status.runner))
    await runner.wait_logged(f"attempt begins job={job.key} ")
    return name, runner


async def completed(world: World, name: str) -> DownloadJob:
    """Wait until a job is completed and return it."""
    return await eventually(
        "the job to be completed",
        lambda: job_of(world, name),
        lambda found: found.status.phase is Phase.COMPLETED,
        within=180,
    )


async def judge(world: World, name: str) -> None:
    """Check everything at the end."""
    asked = {f"{world.namespace}/{name}": COMPLETES}
    facts = await gather_facts(world.api, world.namespace, world.bucket, world.history, asked)
    assert broken_promises(facts) == []


@pytest.mark.timeout(600)
async def test_a_runner_frozen_and_fenced_completes_nothing_when_it_wakes(
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
    real_lengths: bool,
) -> None:
    slow = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(3_000, 3_000))
    async with running_world(
        cluster, own_redis, own_store, tmp_path, slow, replicas=1, grace_seconds=GRACE_SECONDS
    ) as world:
        name, frozen = await taken_job(world)
        frozen.send(signal.SIGSTOP)
        began = time.monotonic()
        done = await eventually(
            "another runner to complete the job",
            lambda: job_of(world, name),
            lambda found: found.status.phase is Phase.COMPLETED,
            within=times.heartbeat_timeout + 120,
        )
        assert done.status.attempt == 2
        assert done.status.runner != frozen.name
        assert done.status.failures[-1].reason == JobReason.RUNNER_UNRESPONSIVE
        length = REAL_FREEZE if real_lengths else SHORT_FREEZE
        await asyncio.sleep(max(0.0, began + length - time.monotonic()))
        frozen.send(signal.SIGCONT)
        await frozen.wait_logged("attempt ended: fenced", within=60)
        assert (await job_of(world, name)).status == done.status
        await judge(world, name)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", [Link.SILENT, Link.REFUSED])
@pytest.mark.parametrize("server", ["redis", "api", "store"])
async def test_a_job_completes_once_when_its_runner_is_parted(
    server: str,
    how: Link,
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
    real_lengths: bool,
) -> None:
    if not real_lengths:
        pytest.skip("the random schedule has it; alone it runs with --jobs 200 or more")
    slow = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(3_000, 3_000))
    async with running_world(cluster, own_redis, own_store, tmp_path, slow, replicas=1) as world:
        name, runner = await taken_job(world)
        link: TcpProxy = getattr(world.links.links[runner.pod["metadata"]["uid"]], server)
        link.set(how)
        await asyncio.sleep(times.heartbeat_timeout + 10)
        link.set(Link.WHOLE)
        await completed(world, name)
        await asyncio.sleep(5)
        await judge(world, name)


@pytest.mark.timeout(600)
async def test_a_runner_whose_pod_was_force_deleted_never_works_again(
    cluster: Cluster, own_redis: RedisPair, own_store: Store, tmp_path: Path
) -> None:
    # Default times, because nothing here waits for a heartbeat that is overdue.
    slow = Times(delay_ms=(3_000, 3_000))
    async with running_world(
        cluster,
        own_redis,
        own_store,
        tmp_path,
        slow,
        replicas=1,
        runner_proxies=False,
        maxRunners=1,
    ) as world:
        first, old = await taken_job(world)

        # Its node is unreachable, so that its process continues after the deletion of the pod.
        await world.node.cut_off(old.name)

        done = await completed(world, first)
        assert done.status.attempt >= 2
        # The pool's only runner leaves when it is idle: the old process could take the next jobs.
        await eventually(
            "the runner of the second attempt to leave",
            lambda: world.api.list_all("pods", world.namespace),
            lambda pods: not pods,
            within=60,
        )
        later = [
            await post(world.client, Wish(0, f"later-{number}", tuple(FILES)[:2]))
            for number in range(LATER_JOBS)
        ]
        for name in later:
            await completed(world, name)
        assert old.logged("attempt begins") == 1
        assert old.logged("attempt ended: completed") == 0
        asked = {f"{world.namespace}/{name}": COMPLETES for name in (first, *later)}
        facts = await gather_facts(world.api, world.namespace, world.bucket, world.history, asked)
    assert broken_promises(facts) == []
