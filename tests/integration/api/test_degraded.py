"""What works while Redis, the Kubernetes API or the store is unavailable."""

import socket
from pathlib import Path

import pytest

from localcluster.redisserver import start_redis
from localcluster.stores import start_store
from tests.harness.api import Api
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.fixtures import redis_environment
from tests.harness.jobs import create_job, patch_status, queue_job
from tests.harness.waiting import eventually
from tests.integration.api.archives import completed
from tests.integration.api.conftest import MakeApi, RunningApi
from tests.integration.api.streams import open_stream
from wherry_api.services import readiness as readiness_module
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.settings import RedisSettings


async def status_of(wherry: RunningApi) -> str:
    health = (await wherry.client.get("/health/ready")).json()
    return str(health["status"])


async def test_without_redis(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    api_environment: dict[str, str],
    make_api: MakeApi,
    api: Api,
    namespace: str,
) -> None:
    server = start_redis(tmp_path / "own-redis")
    environment = redis_environment(server)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
        api_environment[name] = value
    wherry = await make_api(auth_mode="none")
    redis = redis_client.connect(RedisSettings.model_validate(environment))
    job = await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))
    hub = wherry.components.hub
    try:
        async with open_stream(wherry.client, job.metadata.name) as (_, stream):
            await stream.named("connected")
            server.kill()
            await eventually("the loss to be seen", lambda: not hub.subscription.connected)

            made = await wherry.client.post("/v1/download/initiate", json={"file_ids": [1]})
            assert made.status_code == 200
            status = await wherry.client.get(f"/v1/download/status/{made.json()['jobId']}")
            assert (status.status_code, status.json()["status"]) == (200, "queued")
            ticket = await wherry.client.post(f"/v1/download/{job.metadata.name}/ticket")
            assert (ticket.status_code, ticket.headers["retry-after"]) == (503, "5")

            running = await patch_status(api, job, phase="Processing", step=3, progress=30)
            assert (await stream.named("progress")).data["progress"] == 30
            async with open_stream(wherry.client, job.metadata.name) as (_, other):
                assert (await other.named("connected")).data["progress"] == 30

            assert start_redis(server.state).port == server.port
            await eventually("the subscription to be back", lambda: hub.subscription.connected)
            later = snapshot_of(running).model_copy(update={"step": 4, "progress": 40})
            await job_states.publish(redis, later, 3600)
            assert (await stream.named("progress")).data["progress"] == 40
            done = await patch_status(api, job, **completed(job))
            await job_states.publish(redis, snapshot_of(done), 3600)
            assert (await stream.named("completed")).data["size"] == 4711
    finally:
        await redis.aclose()
        start_redis(server.state).stop()


async def test_a_loss_of_redis_loses_no_last_event(
    tmp_path: Path,
    api_environment: dict[str, str],
    make_api: MakeApi,
    api: Api,
    namespace: str,
) -> None:
    server = start_redis(tmp_path / "own-redis")
    environment = redis_environment(server)
    api_environment.update(environment)
    wherry = await make_api()
    redis = redis_client.connect(RedisSettings.model_validate(environment))
    job = await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))
    hub = wherry.components.hub
    try:
        async with open_stream(wherry.client, job.metadata.name) as (_, stream):
            await stream.named("connected")
            watch = hub.watches[(namespace, job.metadata.name)]
            server.kill()
            await eventually("the loss to be seen", lambda: not watch.confirmed.is_set())
            start_redis(server.state)
            done = await patch_status(api, job, **completed(job))

            async def stored() -> bool:
                return await job_states.publish(redis, snapshot_of(done), 3600)

            await stored()
            assert (await stream.named("completed")).data["size"] == 4711
            assert await stream.ended()
    finally:
        await redis.aclose()
        start_redis(server.state).stop()


async def test_without_the_kubernetes_api(
    cluster: Cluster, make_api: MakeApi, api: Api, redis: Redis, namespace: str
) -> None:
    if cluster.control_plane is None:
        pytest.skip("the API server of an existing cluster is not stopped")
    wherry = await make_api()
    job = await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))
    name = job.metadata.name
    async with open_stream(wherry.client, name) as (_, stream):
        await stream.named("connected")
        cluster.control_plane.stop_apiserver(kill=True)
        try:
            made = await wherry.client.post("/v1/download/initiate", json={"file_ids": [1]})
            assert made.status_code == 503
            assert made.json()["type"] == "urn:wherry:problem:unavailable"
            assert made.headers["retry-after"] == "5"
            for method, path in (("GET", ""), ("DELETE", f"/{name}"), ("POST", f"/{name}/retry")):
                answer = await wherry.client.request(method, f"/v1/download{path}")
                assert answer.status_code == 503

            status = await wherry.client.get(f"/v1/download/status/{name}")
            assert status.json()["status"] == "queued"
            running = snapshot_of(job).model_copy(
                update={"status": JobStatus.PROCESSING, "attempt": 1, "step": 1, "progress": 7}
            )
            await job_states.publish(redis, running, 3600)
            assert (await stream.named("progress")).data["progress"] == 7
            done = job.model_copy(
                update={
                    "status": job.status.model_validate(
                        {**job.status.to_wire(), **completed(job), "attempt": 1}
                    )
                }
            )
            await job_states.publish(redis, snapshot_of(done), 3600)
            await stream.named("completed")
            assert (await wherry.client.get(f"/v1/download/{name}")).status_code == 302
            await wherry.components.readiness.check()
            assert await status_of(wherry) == "degraded"
            up = wherry.components.readiness.up
            assert up == {"kubernetes": False, "redis": True, "store": True}
        finally:
            cluster.control_plane.start_apiserver()
    made = await wherry.client.post("/v1/download/initiate", json={"file_ids": [1]})
    assert made.status_code == 200


async def test_without_the_store_urls_are_still_presigned(
    make_api: MakeApi,
    api: Api,
    redis: Redis,
    namespace: str,
    bucket: Bucket,
    api_environment: dict[str, str],
) -> None:
    # No server listens there, and none is needed: signing needs only the keys.
    api_environment["WHERRY_S3_ENDPOINT_URL"] = "http://127.0.0.1:9"
    wherry = await make_api()
    job = await create_job(api, namespace, ["1"])
    await patch_status(api, job, **completed(job))
    answer = await wherry.client.get(f"/v1/download/{job.metadata.name}")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(
        f"http://127.0.0.1:9/{bucket.name}/archives/{namespace}/{job.metadata.uid}/1/a.zip?"
    )


async def test_readiness_names_the_unavailable_store(
    tmp_path: Path, make_api: MakeApi, api_environment: dict[str, str]
) -> None:
    # Its own store, because it is stopped; without the bucket, because a refusal is an answer.
    store = start_store("versitygw", tmp_path / "own-store")
    api_environment["WHERRY_S3_ENDPOINT_URL"] = store.endpoint
    wherry = await make_api()
    readiness = wherry.components.readiness

    async def health() -> tuple[int, str, str]:
        answer = await wherry.client.get("/health/ready")
        body = answer.json()
        assert set(body["dependencies"]) == {"kubernetes", "redis", "store"}
        return answer.status_code, body["status"], body["dependencies"]["store"]["status"]

    try:
        await readiness.check_store()
        assert await health() == (200, "ok", "ok")
        store.kill()
        await readiness.check_store()
        # Never unready, because the API itself works without the store.
        assert await health() == (200, "degraded", "unavailable")
        made = await wherry.client.post("/v1/download/initiate", json={"file_ids": [1]})
        assert made.status_code == 200
        start_store("versitygw", store.state)
        await readiness.check_store()
        assert await health() == (200, "ok", "ok")
    finally:
        store.stop()


async def test_a_store_that_does_not_answer_is_unavailable(
    make_api: MakeApi, api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness_module, "STORE_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api_environment["WHERRY_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        wherry = await make_api()
        await wherry.components.readiness.check_store()
    assert not wherry.components.readiness.up["store"]


async def test_a_job_without_updates_is_read_from_its_resource(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await queue_job(api, redis, await create_job(api, namespace, ["1"]))
    long_ago = snapshot_of(job).model_copy(update={"updated_at": snapshot_of(job).created_at})
    await redis.delete(f"wherry:state:{job.key}")
    stale = long_ago.model_copy(
        update={"step": 1, "updated_at": long_ago.created_at.replace(year=2020)}
    )
    await job_states.publish(redis, stale, 3600)
    await patch_status(api, job, phase="Failed", completionTime="2030-01-01T00:00:09Z")
    status = await wherry.client.get(f"/v1/download/status/{job.metadata.name}")
    assert status.json()["status"] == "failed"
