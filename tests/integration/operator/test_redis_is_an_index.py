"""Redis may lose all data or be unavailable: the operator continues, and rebuilds the index."""

import asyncio

import pytest

from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from tests.harness import jobs
from tests.harness.fixtures import redis_environment
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_queue, job_states
from wherry_core.resources import Phase
from wherry_core.settings import RedisSettings


async def waiting(operated: Operated) -> set[str]:
    return await job_queue.members(operated.redis, "default")


async def test_a_flushed_redis_gets_queue_and_states_back(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator()
    made = [await jobs.create_job(operated.api, operated.namespace, ["1"]) for _ in range(20)]
    keys = {job.key for job in made}
    await eventually("all jobs to wait", lambda: waiting(operated), lambda seen: seen == keys)
    await operated.redis.flushdb()
    await eventually(
        "all jobs to wait again", lambda: waiting(operated), lambda seen: seen == keys, within=10
    )
    for job in made:
        name = job.metadata.name
        await eventually(
            "the state to be back",
            lambda name=name: job_states.read(operated.redis, operated.namespace, name),  # type: ignore[misc]
        )


async def test_a_job_that_was_popped_and_lost_is_put_back(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    assert await job_queue.pop(operated.redis, "default", 10)
    await eventually(
        "the job to be back", lambda: waiting(operated), lambda seen: seen == {job.key}, within=10
    )


async def test_what_no_job_stands_for_leaves_the_queue(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await eventually("the job to wait", lambda: waiting(operated))
    await job_queue.enqueue(operated.redis, "default", f"{operated.namespace}/stranger", 0)
    await eventually(
        "the stranger to be gone",
        lambda: waiting(operated),
        lambda seen: seen == {job.key},
        within=10,
    )


async def test_a_changed_priority_moves_a_waiting_job(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator()
    first = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await eventually("the first to wait", lambda: waiting(operated))
    second = await jobs.create_job(operated.api, operated.namespace, ["2"])
    await eventually("both to wait", lambda: waiting(operated), lambda seen: len(seen) == 2)
    assert await job_queue.position(operated.redis, "default", first.key) == 0
    await jobs.patch_spec(operated.api, second, priority=9)
    await eventually(
        "the second to be first",
        lambda: job_queue.position(operated.redis, "default", second.key),
        lambda place: place == 0,
    )


@pytest.fixture
async def on_own_redis(operated: Operated, own_redis_server: RedisServer) -> Operated:
    own = redis_environment(own_redis_server)
    operated.environment |= own
    operated.redis = redis_client.connect(RedisSettings.model_validate(own))
    return operated


async def test_jobs_go_on_without_redis_and_are_queued_once_it_is_back(
    on_own_redis: Operated, own_redis_server: RedisServer
) -> None:
    operated = on_own_redis
    await operated.create_pool()
    operated.start_operator()
    running = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    claimed = await runner.take()

    own_redis_server.kill()
    new = await jobs.create_job(operated.api, operated.namespace, ["2"])
    await jobs.job_becomes(operated.api, new, Phase.QUEUED)
    await asyncio.sleep(3)
    assert (await jobs.read_job(operated.api, running)).status.phase is Phase.PROCESSING
    start_redis(own_redis_server.state)
    await eventually(
        "the new job to wait", lambda: waiting(operated), lambda seen: seen == {new.key}, within=10
    )
    async with runner.beating():
        await runner.complete(claimed)
        await jobs.job_becomes(operated.api, running, Phase.COMPLETED)
        await runner.complete(await runner.take())
    await operated.redis.aclose()
