"""Redis or the API server is unavailable, or single responses are lost, while a runner works."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from tests.harness.api import Api
from tests.harness.cluster import Cluster
from tests.harness.fault_proxy import Fault, FaultProxy, Rule, fault_proxy, on
from tests.harness.fixtures import redis_environment
from tests.harness.history import JobHistory, violations
from tests.harness.jobs import create_job, job_becomes, queue_job, read_job
from tests.harness.processes import ComponentProcess, fetch
from tests.harness.tenants import request_token
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_states
from wherry_core.resources import DownloadJob, Phase
from wherry_core.settings import RedisSettings

PATCH_STATUS = on("PATCH", "/status")


@pytest.fixture
async def proxy(cluster: Cluster) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(cluster) as running:
        yield running


@pytest.fixture
async def proxied_runner(
    proxy: FaultProxy,
    cluster: Cluster,
    room: Room,
    start_runner: StartRunner,
    tmp_path: Path,
    api: Api,
) -> ComponentProcess:
    token = await request_token(api, room.namespace, "runner")
    config = cluster.token_kubeconfig(
        tmp_path / "proxied", namespace=room.namespace, token=token, server=proxy.url
    )
    return start_runner(KUBECONFIG=str(config))


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.RESET])
async def test_claim_without_an_answer_is_looked_up(
    fault: Fault, room: Room, proxy: FaultProxy, proxied_runner: ComponentProcess
) -> None:
    proxy.rules.append(Rule(PATCH_STATUS, fault))
    job = await room.queue()
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert done.status.attempt == 1
    assert proxied_runner.running


async def test_completion_whose_answer_is_lost_is_recognised_and_its_archive_kept(
    room: Room,
    proxy: FaultProxy,
    proxied_runner: ComponentProcess,
    job_history: JobHistory,
) -> None:
    seen = 0

    def second_patch(method: str, path: str) -> bool:
        nonlocal seen
        seen += PATCH_STATUS(method, path)
        return seen == 2 and PATCH_STATUS(method, path)

    proxy.rules.append(Rule(second_patch, Fault.LOSE_ANSWER))
    job = await room.queue()
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    await proxied_runner.wait_logged("attempt ended: completed")
    assert done.status.archive is not None
    body = await room.bucket.read(done.status.archive.key)
    assert len(body) == done.status.archive.size
    snapshot = await job_states.read(room.redis, room.namespace, job.metadata.name)
    assert snapshot is not None
    assert snapshot.terminal
    await job_history.reach(done.metadata.resource_version)
    assert violations(job_history.changes) == []


async def test_failure_whose_answer_is_lost_is_recorded_once(
    room: Room, proxy: FaultProxy, proxied_runner: ComponentProcess
) -> None:
    seen = 0

    def second_patch(method: str, path: str) -> bool:
        nonlocal seen
        seen += PATCH_STATUS(method, path)
        return seen == 2 and PATCH_STATUS(method, path)

    proxy.rules.append(Rule(second_patch, Fault.LOSE_ANSWER))
    job = await room.queue("1", "no such file")
    await proxied_runner.wait_logged("attempt ended: failed")
    assert len((await read_job(room.api, job)).status.failures) == 1


async def test_throttling_and_errors_are_waited_out(
    room: Room, proxy: FaultProxy, proxied_runner: ComponentProcess
) -> None:
    proxy.rules += [
        Rule(on("GET", "/downloadjobs/"), Fault.ANSWER, status=429, retry_after_seconds=1),
        Rule(on("GET", "/downloadjobs/"), Fault.ANSWER, status=500),
        Rule(on("GET", "/downloadjobs/"), Fault.RESET),
        Rule(PATCH_STATUS, Fault.ANSWER, status=409, times=2),
        Rule(PATCH_STATUS, Fault.ANSWER, status=503, times=2),
    ]
    job = await room.queue()
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert done.status.attempt == 1
    assert proxied_runner.running


async def test_api_server_unavailable_at_the_end_of_a_job(
    room: Room, start_runner: StartRunner, cluster: Cluster
) -> None:
    plane = cluster.control_plane
    if plane is None:
        pytest.skip("an existing cluster's API server is not ours to stop")
    runner = start_runner(**delay(2))
    job = await room.queue()
    await job_becomes(room.api, job, Phase.PROCESSING)
    await asyncio.to_thread(plane.stop_apiserver, kill=True)
    try:
        await eventually("the archive", lambda: room.bucket.keys(room.folder(job, 1)))
        url = runner.ready_url.replace("/readyz", "/metrics")
        await eventually(
            "a lost request",
            lambda: fetch(url),
            lambda page: (
                'requests_total{code="lost",resource="downloadjobs/status",verb="PATCH"}' in page
            ),
        )
    finally:
        await asyncio.to_thread(plane.start_apiserver)
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert done.status.attempt == 1


async def test_claimed_job_ends_without_redis_and_the_runner_takes_jobs_when_it_is_back(
    room: Room, start_runner: StartRunner, own_redis_server: RedisServer
) -> None:
    environment = redis_environment(own_redis_server)

    async def queue() -> DownloadJob:
        client = redis_client.connect(RedisSettings.model_validate(environment))
        try:
            job = await create_job(room.api, room.namespace, ["1", "2"])
            return await queue_job(room.api, client, job)
        finally:
            await client.aclose()

    runner = start_runner(**environment, **delay(2))
    first = await queue()
    await job_becomes(room.api, first, Phase.PROCESSING)
    own_redis_server.kill()
    await job_becomes(room.api, first, Phase.COMPLETED)
    assert runner.running
    await runner.wait_logged("Redis is unavailable")
    await asyncio.to_thread(start_redis, own_redis_server.state)
    second = await queue()
    await job_becomes(room.api, second, Phase.COMPLETED)
    await runner.wait_logged("Redis is available again")


async def test_a_cancellation_reaches_the_runner_without_redis(
    room: Room, start_runner: StartRunner, own_redis_server: RedisServer
) -> None:
    environment = redis_environment(own_redis_server)
    client = redis_client.connect(RedisSettings.model_validate(environment))
    runner = start_runner(**environment, **delay(300))
    job = await create_job(room.api, room.namespace, ["1", "2"])
    await queue_job(room.api, client, job)
    await client.aclose()
    await job_becomes(room.api, job, Phase.PROCESSING)
    own_redis_server.kill()
    await room.api.patch(
        "wherry.dev/v1/downloadjobs",
        room.namespace,
        job.metadata.name,
        {"status": {"phase": "Cancelled"}},
        sub="status",
    )
    await runner.wait_logged("attempt ended: cancelled")
