"""Streams during failures around them."""

import asyncio
import socket
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.harness.api import JOBS, Api
from tests.harness.fixtures import NamespaceFactory
from tests.harness.jobs import create_job, patch_status, queue_job, read_job
from tests.harness.waiting import eventually
from tests.integration.api.conftest import MakeApi, RunningApi
from tests.integration.api.streams import open_stream
from wherry_core.job_snapshot import JobSnapshot, JobStatus, snapshot_of
from wherry_core.redis import job_states, keys
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

SECOND = timedelta(seconds=1)


async def publish(redis: Redis, job: DownloadJob, step: int, **changes: Any) -> JobSnapshot:
    changes = {"status": JobStatus.PROCESSING, "attempt": 1, "step": step, **changes}
    snapshot = snapshot_of(job).model_copy(update=changes)
    await job_states.publish(redis, snapshot, 3600)
    return snapshot


@pytest.fixture
async def job(api: Api, redis: Redis, namespace: str) -> DownloadJob:
    return await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))


async def test_many_subscribers_of_one_job_share_one_subscription(
    wherry: RunningApi, redis: Redis, job: DownloadJob
) -> None:
    advanced = asyncio.Semaphore(0)

    async def follow() -> list[Any]:
        async with open_stream(wherry.client, job.metadata.name) as (_, stream):
            await stream.named("connected")
            progress = await stream.named("progress")
            advanced.release()
            return [progress.data, await stream.named("failed")]

    subscribers = [asyncio.create_task(follow()) for _ in range(20)]
    hub = wherry.components.hub
    await eventually("all streams to be open", lambda: hub.streams == 20)
    watch = hub.watches[(job.metadata.namespace, job.metadata.name)]
    await eventually("all to follow", lambda: len(watch.subscribers) == 20)
    channel = keys.job_updates(job.metadata.name)
    assert dict(await redis.pubsub_numsub(channel))[channel] == 1
    await publish(redis, job, 1, progress=10)
    # The end would replace progress that a client has not received yet.
    for _ in subscribers:
        await advanced.acquire()
    await publish(redis, job, 2, status=JobStatus.FAILED, error="It broke.")
    for subscriber in subscribers:
        progress, failed = await subscriber
        assert progress["progress"] == 10
        assert failed.data == {"error": "It broke."}
    await eventually("all streams to be closed", lambda: wherry.components.hub.streams == 0)

    async def unsubscribed() -> bool:
        return bool(dict(await redis.pubsub_numsub(channel))[channel] == 0)

    await eventually("the channel to be left", unsubscribed)
    assert not wherry.components.hub.watches


async def test_older_snapshots_are_not_shown_after_newer_ones(
    wherry: RunningApi, redis: Redis, job: DownloadJob
) -> None:
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        newer = await publish(redis, job, 5, progress=50)
        assert (await stream.next()).data["progress"] == 50
        older = newer.model_copy(update={"step": 4, "progress": 40})
        channel = keys.job_updates(job.metadata.name)
        await redis.publish(channel, older.model_dump_json(by_alias=True))
        await redis.publish(channel, "no json")
        other = newer.model_copy(update={"namespace": "other", "step": 9, "progress": 90})
        await redis.publish(channel, other.model_dump_json(by_alias=True))
        await publish(redis, job, 6, progress=60)
        assert (await stream.next()).data["progress"] == 60


async def test_jobs_of_one_name_in_two_tenants(
    make_api: MakeApi,
    api: Api,
    redis: Redis,
    make_namespace: NamespaceFactory,
) -> None:
    name = str(uuid.uuid4())
    first, second = await make_namespace(), await make_namespace()
    jobs = [
        await queue_job(api, redis, await create_job(api, where, ["1"], name))
        for where in (first, second)
    ]
    servers = [await make_api(default_tenant=where) for where in (first, second)]
    async with (
        open_stream(servers[0].client, name) as (_, one),
        open_stream(servers[1].client, name) as (_, two),
    ):
        await one.named("connected")
        await two.named("connected")
        await publish(redis, jobs[0], 1, progress=11)
        await publish(redis, jobs[1], 1, progress=22)
        assert (await one.next()).data["progress"] == 11
        assert (await two.next()).data["progress"] == 22


async def test_heartbeats_come_while_nothing_happens(make_api: MakeApi, job: DownloadJob) -> None:
    wherry = await make_api(stream_heartbeat_seconds=0.3)
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        for _ in range(3):
            beat = await stream.next()
            assert (beat.name, beat.data, beat.id) == ("heartbeat", {}, None)


async def test_reconnecting(wherry: RunningApi, redis: Redis, job: DownloadJob) -> None:
    name = job.metadata.name
    async with open_stream(wherry.client, name) as (_, stream):
        first = await stream.named("connected")
    await publish(redis, job, 1, status=JobStatus.FAILED, error="It broke.")
    for known in ({"headers": {"Last-Event-ID": str(first.id)}}, {}):
        async with open_stream(wherry.client, name, **known) as (answer, stream):
            assert answer.status_code == 200
            assert (await stream.next()).data["error"] == "It broke."
            last = await stream.next()
            assert await stream.ended()
    again = await wherry.client.get(
        f"/v1/download/stream/{name}", params={"lastEventId": str(last.id)}
    )
    assert again.status_code == 204


async def test_a_deleted_job_ends_its_streams(
    wherry: RunningApi, api: Api, redis: Redis, job: DownloadJob, namespace: str
) -> None:
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        await api.delete(JOBS, namespace, job.metadata.name)
        await job_states.delete(redis, namespace, job.metadata.name, job.metadata.uid)
        watch = wherry.components.hub.watches[(namespace, job.metadata.name)]
        watch.checked_at = float("-inf")
        failed = await stream.named("failed")
        assert failed.data == {"error": "The job was deleted."}
        assert await stream.ended()
    answer = await wherry.client.get(f"/v1/download/status/{job.metadata.name}")
    assert answer.status_code == 404


async def test_a_job_recreated_under_its_name_is_another_job(
    wherry: RunningApi, api: Api, redis: Redis, job: DownloadJob, namespace: str
) -> None:
    name = job.metadata.name
    async with open_stream(wherry.client, name) as (_, stream):
        connected = await stream.named("connected")
        await publish(redis, job, 7, progress=70)
        await stream.named("progress")
        await api.delete(JOBS, namespace, name)
        # So that the creation times, in whole seconds, differ.
        created = job.metadata.creation_timestamp
        assert created is not None
        await eventually("the next second", lambda: datetime.now(UTC) - created > SECOND)
        recreated = await queue_job(api, redis, await create_job(api, namespace, ["1"], name))
        assert (await stream.named("failed")).data == {"error": "The job was deleted."}
        assert await stream.ended()
    # A client that reconnects watches the new job from its start.
    headers = {"Last-Event-ID": str(connected.id)}
    async with open_stream(wherry.client, name, headers=headers) as (_, stream):
        connected = await stream.next()
        assert connected.data["status"] == "queued"
        assert connected.id == f"1-0-{recreated.metadata.uid[:8]}"
        late = snapshot_of(job).model_copy(update={"step": 99, "attempt": 9, "progress": 99})
        await redis.publish(keys.job_updates(name), late.model_dump_json(by_alias=True))
        await publish(redis, recreated, 1, progress=5)
        assert (await stream.next()).data["progress"] == 5


async def test_a_stalled_client_is_disconnected_and_others_continue(
    make_api: MakeApi, redis: Redis, job: DownloadJob
) -> None:
    wherry = await make_api(stream_send_timeout_seconds=1.0, stream_heartbeat_seconds=3.0)
    host, port = wherry.url.removeprefix("http://").split(":")
    name = job.metadata.name
    frozen = socket.socket()
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.connect((host, int(port)))
    frozen.sendall(f"GET /v1/download/stream/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    hub = wherry.components.hub
    await eventually("the frozen client to be there", lambda: hub.streams == 1)
    async with open_stream(wherry.client, name) as (_, stream):
        await stream.named("connected")
        await eventually("both to be there", lambda: hub.streams == 2)
        watch = hub.watches[(job.metadata.namespace, name)]
        await eventually("both to follow", lambda: len(watch.subscribers) == 2)
        reader = asyncio.create_task(stream.named("failed", patience=60))
        running = snapshot_of(job).model_copy(update={"status": JobStatus.PROCESSING})
        # Progress continues until the stalled client's buffers are full and its time has passed.
        for step in range(1, 60_000):
            if hub.streams == 1:
                break
            hub.take(watch, running.model_copy(update={"step": step}))
            await asyncio.sleep(0.001)
        assert hub.streams == 1
        await publish(redis, job, 0, attempt=2, status=JobStatus.FAILED, error="It broke.")
        assert (await reader).data == {"error": "It broke."}
    frozen.close()


async def test_streams_of_a_tenant_are_limited(make_api: MakeApi, job: DownloadJob) -> None:
    wherry = await make_api(max_streams_per_tenant=1)
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        refused = await wherry.client.get(f"/v1/download/stream/{job.metadata.name}")
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:wherry:problem:too-many-streams"
        assert refused.headers["retry-after"] == "30"
    await eventually("the stream to be counted out", lambda: wherry.components.hub.streams == 0)
    async with open_stream(wherry.client, job.metadata.name) as (answer, _):
        assert answer.status_code == 200


async def test_streams_of_unknown_jobs_leave_nothing_behind(wherry: RunningApi) -> None:
    for _ in range(3):
        assert (await wherry.client.get("/v1/download/stream/unknown")).status_code == 404
    assert wherry.components.hub.streams == 0
    assert not wherry.components.hub.watches


async def test_draining_ends_all_streams_and_sends_a_retry_time(
    wherry: RunningApi, job: DownloadJob
) -> None:
    async def follow() -> bool:
        async with open_stream(wherry.client, job.metadata.name) as (_, stream):
            await stream.named("connected")
            return await stream.ended()

    subscribers = [asyncio.create_task(follow()) for _ in range(10)]
    await eventually("all streams to be open", lambda: wherry.components.hub.streams == 10)
    watch = wherry.components.hub.watches[(job.metadata.namespace, job.metadata.name)]
    await eventually("all to follow", lambda: len(watch.subscribers) == 10)
    await wherry.components.drain(0.3)
    assert all(await asyncio.gather(*subscribers))
    ready = await wherry.client.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (await wherry.client.get("/health")).status_code == 200
    async with open_stream(wherry.client, job.metadata.name) as (answer, stream):
        assert answer.status_code == 200
        assert 1_000 <= ((await stream.named("connected")).retry or 0) <= 4_000
        assert await stream.ended()


async def test_after_a_flush_of_redis_streams_read_the_resource(
    wherry: RunningApi, api: Api, redis: Redis, job: DownloadJob, namespace: str
) -> None:
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        await redis.flushdb()
        await patch_status(api, job, phase="Failed", completionTime="2030-01-01T00:00:00Z")
        watch = wherry.components.hub.watches[(namespace, job.metadata.name)]
        watch.checked_at = float("-inf")
        assert (await stream.named("failed")).data["error"]
    assert (await read_job(api, job)).ended
