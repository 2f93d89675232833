"""The API on Redis with Sentinels and on a Redis Cluster, before and after a failover."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.harness.api import Api
from tests.harness.jobs import create_job, queue_job
from tests.harness.redis_cluster import ServerCluster, redis_cluster
from tests.harness.redis_sentinels import Sentinels, redis_with_sentinels
from tests.harness.waiting import eventually
from tests.integration.api.conftest import MakeApi
from tests.integration.api.streams import Events, open_stream
from tests.integration.api.test_streams import publish
from wherry_api.stream.redis_subscription import ALWAYS
from wherry_core.job_snapshot import JobStatus
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob
from wherry_core.settings import RedisSettings


@pytest.fixture(params=["sentinels", "cluster"])
async def servers(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Sentinels | ServerCluster]:
    """Servers of which the one with the API's subscription can fail."""
    started = (
        redis_with_sentinels(tmp_path)
        if request.param == "sentinels"
        else redis_cluster(tmp_path, ALWAYS)
    )
    async with started as running:
        yield running


@pytest.fixture
async def redis_there(
    servers: Sentinels | ServerCluster,
    api_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Redis]:
    """Return another client of the servers, which an API created later uses, too."""
    monkeypatch.setenv("WHERRY_REDIS_URL", servers.url)
    api_environment["WHERRY_REDIS_URL"] = servers.url
    client = redis_client.connect(RedisSettings.model_validate(api_environment))
    yield client
    await client.aclose()


async def heard(redis: Redis, job: DownloadJob, stream: Events, step: int, **changes: Any) -> Any:
    """Publish progress until an event arrives on the stream, and return it."""

    async def publish_until_cancelled() -> None:
        nonlocal step
        while True:
            try:
                await publish(redis, job, step, **changes)
            except (RedisError, OSError) as error:  # During the failover.
                print("not yet:", error)
            step += 1
            await asyncio.sleep(0.2)

    publishing = asyncio.create_task(publish_until_cancelled())
    try:
        while (event := await stream.next(60)).name == "heartbeat":
            pass
        return event
    finally:
        publishing.cancel()


async def test_everything_works_after_a_failover(
    servers: Sentinels | ServerCluster,
    redis_there: Redis,
    make_api: MakeApi,
    api: Api,
    namespace: str,
) -> None:
    wherry = await make_api(rate_limit_requests=1000)
    hub = wherry.components.hub
    job = await queue_job(api, redis_there, await create_job(api, namespace, ["1", "2"]))
    name = job.metadata.name
    ticket_path = f"/v1/download/{name}/ticket"
    async with open_stream(wherry.client, name) as (_, stream):
        await stream.named("connected")
        await eventually("the subscription", lambda: hub.subscription.connected)
        assert (await heard(redis_there, job, stream, 1, progress=10)).data["progress"] == 10
        assert (await wherry.client.post(ticket_path)).status_code == 200

        await servers.fail_over()
        made = await wherry.client.post("/v1/download/initiate", json={"file_ids": [1]})
        assert made.status_code == 200
        status = await wherry.client.get(f"/v1/download/status/{made.json()['jobId']}")
        assert status.json()["status"] == "queued"

        await eventually("the subscription to be back", lambda: hub.subscription.connected)
        while (event := await heard(redis_there, job, stream, 1_000, progress=60)).data[
            "progress"
        ] != 60:
            pass
        assert event.name == "progress"

        async def ticket() -> Any:
            return await wherry.client.post(ticket_path)

        answer = await eventually("tickets again", ticket, lambda a: a.status_code == 200)
        assert answer.headers["ratelimit-policy"] == '"tenant";q=1000;w=60'
        ended = {"status": JobStatus.FAILED, "error": "It broke."}
        while (event := await heard(redis_there, job, stream, 0, **ended)).name == "progress":
            pass
        assert event.data == {"error": "It broke."}
        assert await stream.ended()
    opened = await wherry.client.get(
        f"/v1/download/stream/{name}", params={"ticket": answer.json()["ticket"]}
    )
    assert opened.status_code == 200
    assert (await wherry.client.get("/health/ready")).json()["status"] in {"ok", "degraded"}
