"""A deletion or cancellation takes effect everywhere, also while no operator is alive."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import COMPLETES, Wish, post
from tests.chaos.rest import DELETION_SECONDS, answers_for, nothing_left
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.model import GONE, Answers, broken_promises
from tests.harness.recording import gather_facts
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually, never
from wherry_core.resources import DownloadJob, Phase

SHORT_WATCH, REAL_WATCH = 8.0, 90.0
"""Seconds for which a deleted job must stay gone."""
ORDER_SECONDS = 5.0
"""Seconds within which an order reaches the runner."""
SOME_FILES = tuple(FILES)[:3]


@pytest.fixture
def watch_seconds(real_lengths: bool) -> float:
    """How long a deleted job is watched."""
    return REAL_WATCH if real_lengths else SHORT_WATCH


async def job_in(world: World, name: str, phase: Phase) -> DownloadJob:
    """Wait until a job is in this phase and return it."""

    async def read() -> DownloadJob:
        return DownloadJob.model_validate(await world.api.get(JOBS, world.namespace, name))

    return await eventually(
        f"{name} to be {phase}", read, lambda job: job.status.phase is phase, within=120
    )


def gone(answers: Answers) -> bool:
    """Return whether the API answers neither for the status nor for the archive of a job."""
    return {answers.status, answers.download} <= GONE


async def check(world: World, names: list[str]) -> None:
    """Hold everything that was recorded against the model."""
    await nothing_left(world)
    asked = {f"{world.namespace}/{name}": COMPLETES | {Phase.CANCELLED} for name in names}
    facts = await gather_facts(
        world.api,
        world.namespace,
        world.bucket,
        world.history,
        asked,
        deleted=world.deleted,
        answers=await answers_for(world, asked),
    )
    assert broken_promises(facts) == []


async def delete(world: World, name: str) -> None:
    """Delete a job, as an admin does with kubectl."""
    world.deleted.add(f"{world.namespace}/{name}")
    assert await world.api.delete(JOBS, world.namespace, name)


@pytest.mark.timeout(400)
async def test_a_deletion_that_no_operator_saw_ends_within_a_minute_of_its_start(
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    watch_seconds: float,
) -> None:
    # The operator has its default times: no sweep comes earlier than in production.
    default = Times(delay_ms=(3_000, 3_000))
    async with running_world(
        cluster, own_redis, own_store, tmp_path, default, replicas=1, runner_proxies=False
    ) as world:
        ended = await post(world.client, Wish(0, "ended", SOME_FILES))
        await job_in(world, ended, Phase.COMPLETED)
        assert await world.answers(ended) == Answers(status=200, download=302)
        at_work = await post(world.client, Wish(0, "at-work", SOME_FILES))
        await job_in(world, at_work, Phase.PROCESSING)

        async with world.no_operator():
            await delete(world, ended)
            await delete(world, at_work)
            await asyncio.sleep(1)

        async def found() -> list[str]:
            answers = [await world.answers(name) for name in (ended, at_work)]
            still = [str(each) for each in answers if not gone(each)]
            return still + await world.bucket.keys("archives/")

        await eventually(
            "statuses, redirects and archives to be gone",
            found,
            lambda left: not left,
            within=DELETION_SECONDS,
            every=0.5,
        )
        await never("a deleted job is back", found, during=watch_seconds)
        await check(world, [ended, at_work])


@pytest.mark.timeout(400)
async def test_a_job_deleted_at_work_does_not_come_back(
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    times: Times,
    watch_seconds: float,
) -> None:
    slow = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(20_000, 20_000))
    async with running_world(
        cluster, own_redis, own_store, tmp_path, slow, replicas=1, runner_proxies=False
    ) as world:
        names = [await post(world.client, Wish(0, f"{n}", SOME_FILES)) for n in range(5)]
        for name in names:
            await job_in(world, name, Phase.PROCESSING)

        for name in names:
            # The runner publishes every second, so each deletion is at a different time after it.
            await delete(world, name)
            await asyncio.sleep(0.27)

        async def answered() -> list[Answers]:
            return [each for name in names if not gone(each := await world.answers(name))]

        await eventually("the deletions to be known", answered, lambda left: not left, within=30)
        await never("a deleted job is back", answered, during=watch_seconds)
        await check(world, names)


async def cancel_by_api(world: World, name: str) -> None:
    answer = await world.client.delete(f"/v1/download/{name}")
    assert answer.is_success, answer.text


async def cancel_by_kubectl(world: World, name: str) -> None:
    words = ("--namespace", world.namespace, "patch", "downloadjob", name, "--type=merge")
    await asyncio.to_thread(world.cluster.kubectl, *words, '--patch={"spec":{"cancel":true}}')


async def delete_by_kubectl(world: World, name: str) -> None:
    world.deleted.add(f"{world.namespace}/{name}")
    words = ("--namespace", world.namespace, "delete", "downloadjob", name, "--wait=false")
    await asyncio.to_thread(world.cluster.kubectl, *words)


ORDERS: dict[str, Callable[[World, str], Awaitable[None]]] = {
    "cancelled by the API": cancel_by_api,
    "cancelled by kubectl": cancel_by_kubectl,
    "deleted by kubectl": delete_by_kubectl,
}


@pytest.mark.timeout(400)
async def test_an_order_reaches_the_runner_within_seconds_while_no_operator_is_alive(
    cluster: Cluster, own_redis: RedisPair, own_store: Store, tmp_path: Path, times: Times
) -> None:
    slow = Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(100_000, 100_000))
    async with running_world(
        cluster, own_redis, own_store, tmp_path, slow, replicas=1, runner_proxies=False
    ) as world:
        jobs = {
            order: await post(world.client, Wish(0, order.replace(" ", "-"), SOME_FILES))
            for order in ORDERS
        }
        runners = {}
        for order, name in jobs.items():
            claimed = await job_in(world, name, Phase.PROCESSING)
            runners[order] = world.node.process(str(claimed.status.runner))
            await runners[order].wait_logged(f"attempt begins job={claimed.key} ")

        async with world.no_operator():
            for order, name in jobs.items():
                await ORDERS[order](world, name)
                ordered = time.monotonic()
                stopped = f"attempt ended: (cancelled|deleted) job={world.namespace}/{name} "
                await runners[order].wait_logged(stopped, within=ORDER_SECONDS)
                print(f"{order}: the runner stopped after {time.monotonic() - ordered:.1f} s")

        await job_in(world, jobs["cancelled by the API"], Phase.CANCELLED)
        await job_in(world, jobs["cancelled by kubectl"], Phase.CANCELLED)
        await check(world, list(jobs.values()))
