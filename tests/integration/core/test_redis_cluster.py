"""All that Wherry keeps in Redis works in a real cluster, also when a primary of it dies."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as ConnectionLostError

from tests.harness.redis_cluster import ServerCluster
from tests.harness.waiting import eventually
from tests.integration.core import version_0_1
from tests.integration.core.test_cancelled_commands import swallowed_after
from tests.integration.core.test_job_states import snapshot
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_queue, job_states, keys, loss_marker, runner_registry
from wherry_core.redis.cluster import ClusterRedis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.settings import RedisSettings

POOL, RUNNER = "default", RunnerId("default-runner-0", "uid-1")


async def test_queue_and_runners_in_a_cluster(clustered: Any) -> None:
    assert await job_queue.enqueue(clustered, POOL, "a/1", 0)
    assert await job_queue.enqueue(clustered, POOL, "b/2", 5)
    assert await job_queue.members(clustered, POOL) == {"a/1", "b/2"}
    assert await job_queue.position(clustered, POOL, "a/1") == 1
    waiting = await job_queue.pop(clustered, POOL, 1)
    assert waiting
    assert waiting.job == "b/2"
    assert await runner_registry.begin(clustered, POOL, RUNNER, waiting)
    assert not await runner_registry.drain(clustered, POOL, RUNNER)
    await runner_registry.stop(clustered, POOL, RUNNER, "b/2")
    orders = await runner_registry.heartbeat(clustered, POOL, RUNNER, ["b/2"])
    assert orders.stop == {"b/2"}
    await runner_registry.finish(clustered, POOL, RUNNER, "b/2")
    await runner_registry.retire(clustered, POOL, RUNNER)
    other = Waiting("a/1", 1.0)
    assert not await runner_registry.begin(clustered, POOL, RUNNER, other)
    records = await runner_registry.runner_records(clustered, POOL, [RUNNER])
    assert records[RUNNER].draining
    assert await runner_registry.living(clustered, POOL) == {RUNNER}
    await runner_registry.delete(clustered, POOL, RUNNER)
    assert await runner_registry.runner_records(clustered, POOL, [RUNNER]) == {}
    assert await job_queue.remove(clustered, POOL, ["a/1"]) == 1
    assert await job_queue.length(clustered, POOL) == 0


async def test_states_of_many_jobs_and_their_subscribers_in_a_cluster(clustered: Any) -> None:
    """The jobs' keys are on all nodes; one connection subscribes to all of their channels."""
    names = [f"job-{number}" for number in range(12)]
    subscriber = clustered.pubsub()
    await subscriber.subscribe(*[keys.job_updates(name) for name in names])
    for name in names:
        assert await job_states.publish(clustered, snapshot(1, 1, name=name), 60)
    read = await job_states.read_many(clustered, [("team-a", name) for name in [*names, "x"]])
    assert read == [*(snapshot(1, 1, name=name) for name in names), None]
    received: set[str] = set()
    async with asyncio.timeout(20):
        while len(received) < len(names):
            message = await subscriber.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                received.add(message["channel"])
    assert received == {keys.job_updates(name) for name in names}
    await subscriber.aclose()


async def test_deletions_and_the_scan_of_all_states_in_a_cluster(clustered: Any) -> None:
    jobs = {("team-a", f"job-{number}", f"u{number}") for number in range(60)}
    for namespace, name, uid in jobs:
        await job_states.publish(
            clustered, snapshot(1, 1, namespace=namespace, name=name, uid=uid), 60
        )
    found = [ref async for batch in job_states.scan(clustered, batch=25) for ref in batch]
    assert {(ref.namespace, ref.name, ref.uid) for ref in found} == jobs
    assert await job_states.delete(clustered, "team-a", "job-7", "u7")
    assert not await job_states.publish(clustered, snapshot(2, 1, name="job-7", uid="u7"), 60)
    found = [ref async for batch in job_states.scan(clustered) for ref in batch]
    assert {(ref.namespace, ref.name, ref.uid) for ref in found} == jobs
    assert [ref.uid for ref in found if ref.deleted] == ["u7"]
    await job_states.mark_ended(clustered, snapshot(1, 2, name="job-7"))
    assert await job_states.ended_at(clustered, "team-a", "job-7") is not None


async def test_upgrade_and_dismissal_in_a_cluster(
    clustered: Any, server_cluster: ServerCluster
) -> None:
    settings = RedisSettings.model_validate(
        {"WHERRY_REDIS_URL": server_cluster.url, "WHERRY_RELEASE": "wherry/main"}
    )
    named = redis_client.connect(settings)
    await job_queue.enqueue(named, POOL, "a/1", 0)
    await job_queue.share_with_earlier_version(named, POOL)
    assert await version_0_1.pop(clustered, POOL) is not None
    await version_0_1.heartbeat(clustered, POOL, RUNNER.name, "a/1")
    records = await runner_registry.runner_records(named, POOL, [RUNNER])
    assert records[RUNNER].earlier_version
    assert not await runner_registry.drain(named, POOL, RUNNER)
    await runner_registry.retire(named, POOL, RUNNER)
    assert (await version_0_1.heartbeat(clustered, POOL, RUNNER.name))[0]
    await runner_registry.refresh_operator_mark(named, [POOL, "big", "small"])
    await runner_registry.dismiss(named, POOL, RUNNER)
    orders = await runner_registry.heartbeat(named, POOL, RUNNER, ["a/1"])
    assert orders.dismissed
    assert orders.operator_seconds > 2
    await named.aclose()


async def test_a_cancellation_is_never_swallowed_in_a_cluster(clustered: Any) -> None:
    assert await swallowed_after(clustered, lambda redis: redis.get("some-key")) == []


async def test_more_commands_than_connections_wait(clustered: Any) -> None:
    pops: list[Awaitable[Any]] = [job_queue.pop(clustered, POOL, 0.2) for _ in range(30)]
    assert await asyncio.gather(*pops) == [None] * 30


async def test_a_lost_primary_is_noticed_replaced_and_found(
    clustered: Any, server_cluster: ServerCluster
) -> None:
    assert await loss_marker.change(clustered, "1") == {None}
    assert await loss_marker.change(clustered, "2") == {"1"}
    subscriber = clustered.pubsub()
    await subscriber.subscribe(keys.job_updates("j"))
    # What was written after this is lost with the primary.
    await server_cluster.make_stale()
    assert await loss_marker.change(clustered, "3") == {"2"}
    await server_cluster.fail_over()

    async def marked() -> set[str | None] | None:
        try:
            return await loss_marker.change(clustered, "4")
        except ConnectionLostError:
            return None

    assert await eventually("the new primary to be found", marked) == {"2", "3"}
    assert await loss_marker.change(clustered, "5") == {"4"}
    assert await job_queue.enqueue(clustered, POOL, "a/1", 0)
    assert await job_queue.pop(clustered, POOL, 1)
    await subscriber.aclose()


async def test_an_unreachable_cluster_raises_a_known_error(
    server_cluster: ServerCluster,
) -> None:
    settings = RedisSettings.model_validate({"WHERRY_REDIS_URL": server_cluster.url})
    client = redis_client.connect(settings)
    assert isinstance(client, ClusterRedis)
    for node in server_cluster.primaries:
        node.kill()
    with pytest.raises(ConnectionLostError):
        await client.get("some-key")
    with pytest.raises(ConnectionLostError):
        await client.pubsub().subscribe("some-channel")
    with pytest.raises(ConnectionLostError):
        await job_states.read_many(client, [("team-a", "job-1")])
    await client.aclose()
