"""The upgrade from version 0.1, whose keys in Redis name no release and whose runners no uid."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness import jobs
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from tests.integration.operator.played_runner import PlayedRunner
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_queue, job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import Phase
from wherry_core.settings import RedisSettings

HEARTBEAT_TIMEOUT_SECONDS = 6


class EarlierRunner(PlayedRunner):
    """A runner of version 0.1: it uses the keys without a release, and does not know its uid."""

    async def start(self) -> None:
        """Wait for the pod and have it run and be ready."""
        await self.pod()
        await self.set_pod("Running", ready=True)
        await self.beat()


@pytest.fixture
async def named(operated: Operated) -> AsyncIterator[Redis]:
    """Redis with the keys of the release; :attr:`Operated.redis` has those of version 0.1."""
    release = f"{operated.namespace}/wherry"
    settings = RedisSettings.model_validate(operated.environment | {"WHERRY_RELEASE": release})
    client = redis_client.connect(settings)
    yield client
    await client.aclose()


def start_upgraded(operated: Operated) -> None:
    operated.start_operator(
        WHERRY_RELEASE=f"{operated.namespace}/wherry",
        WHERRY_HEARTBEAT_TIMEOUT_SECONDS=str(HEARTBEAT_TIMEOUT_SECONDS),
    )


def earlier_runner(operated: Operated) -> EarlierRunner:
    return EarlierRunner(
        operated.api, operated.redis, operated.namespace, "default", "default-runner-0"
    )


async def test_a_job_at_work_goes_on_and_a_waiting_one_is_taken_by_a_new_runner(
    operated: Operated, named: Redis
) -> None:
    await operated.create_pool(concurrency=1, maxRunners=1)
    before = operated.start_operator()
    old = earlier_runner(operated)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(2)]
    await old.start()
    first_uid = (await old.pod())["metadata"]["uid"]
    async with old.beating():
        running = await old.take()
        waiting = next(each for each in made if each.key != running.key)
        before.terminate()
        await before.wait_ended()
        start_upgraded(operated)
        await eventually(
            "the waiting job in the new queue",
            lambda: job_queue.members(named, "default"),
            lambda found: found == {waiting.key},
        )
        state = await job_states.read(named, operated.namespace, running.metadata.name)
        assert state is not None
        # Its heartbeats, under keys of version 0.1, are seen all the time.
        await asyncio.sleep(HEARTBEAT_TIMEOUT_SECONDS + 4)
        seen = await jobs.read_job(operated.api, running)
        assert seen.status.failures == ()
        assert seen.status.phase is Phase.PROCESSING
        await eventually("the old runner to be asked to leave", old.beat, lambda got: got.drain)
        assert await old.pop() is None
        await old.complete(running)
    await old.leave()
    await jobs.job_becomes(operated.api, running, Phase.COMPLETED)
    found = await eventually(
        "a new pod",
        lambda: operated.api.list_all("pods", operated.namespace),
        lambda pods: any(pod["metadata"]["uid"] != first_uid for pod in pods),
    )
    name = next(pod["metadata"]["name"] for pod in found if pod["metadata"]["uid"] != first_uid)
    new = PlayedRunner(operated.api, named, operated.namespace, "default", name)
    await new.start()
    async with new.beating():
        taken = await new.take()
        assert taken.key == waiting.key
        await new.complete(taken)
    await jobs.job_becomes(operated.api, waiting, Phase.COMPLETED)


async def test_a_pool_whose_image_stays_at_the_earlier_version_works(
    operated: Operated, named: Redis
) -> None:
    await operated.create_pool(concurrency=1, maxRunners=1)
    start_upgraded(operated)
    runner = earlier_runner(operated)
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(2)]
    await runner.start()
    async with runner.beating():
        for _ in made:
            await runner.complete(await runner.take())
    for each in made:
        done = await jobs.job_becomes(operated.api, each, Phase.COMPLETED)
        assert done.status.failures == ()
    await eventually(
        "an empty queue", lambda: job_queue.length(named, "default"), lambda count: count == 0
    )
