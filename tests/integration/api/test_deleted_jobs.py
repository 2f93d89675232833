"""Jobs whose resource was deleted while no operator was there to clean up after them."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from tests.harness.api import JOBS, Api
from tests.harness.jobs import create_job, patch_status, queue_job
from tests.harness.waiting import eventually
from tests.integration.api.archives import completed
from tests.integration.api.conftest import MakeApi, RunningApi
from tests.integration.api.streams import open_stream
from wherry_api.services import job_resources, snapshots
from wherry_core.job_snapshot import JobSnapshot, JobStatus, snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

READS = (
    "wherry_kubernetes_requests_total",
    {"verb": "GET", "resource": "downloadjobs", "code": "200"},
)


def reads() -> float:
    return REGISTRY.get_sample_value(*READS) or 0.0


async def completed_job(api: Api, redis: Redis, namespace: str, name: str = "") -> DownloadJob:
    job = await create_job(api, namespace, ["1"], name=name)
    done = await patch_status(api, job, **completed(job))
    await job_states.publish(redis, snapshot_of(done), 3_600)
    return done


async def delete(api: Api, job: DownloadJob) -> None:
    await api.delete(JOBS, job.metadata.namespace, job.metadata.name)


async def status_code(wherry: RunningApi, job: DownloadJob, route: str = "status/") -> int:
    return (await wherry.client.get(f"/v1/download/{route}{job.metadata.name}")).status_code


async def test_a_deleted_job_is_served_for_a_short_time_only(
    make_api: MakeApi,
    api: Api,
    redis: Redis,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "EXISTENCE_SECONDS", 0.5)
    wherry = await make_api()
    job = await completed_job(api, redis, namespace)
    assert await status_code(wherry, job) == 200
    await delete(api, job)

    async def code() -> int:
        return await status_code(wherry, job)

    await eventually("the job to be gone", code, lambda found: found == 410, within=2)
    assert await job_states.read(redis, namespace, job.metadata.name) is None
    assert await status_code(wherry, job, "stream/") == 410


async def test_the_redirect_is_never_signed_for_a_deleted_job(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await completed_job(api, redis, namespace)
    assert await status_code(wherry, job, "") == 302
    await delete(api, job)
    assert await status_code(wherry, job, "") == 410
    assert await status_code(wherry, job) == 410


async def test_many_clients_of_an_ended_job_cost_one_read(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await completed_job(api, redis, namespace)
    before = reads()
    codes = await asyncio.gather(*(status_code(wherry, job) for _ in range(50)))
    codes += [await status_code(wherry, job) for _ in range(20)]
    assert set(codes) == {200}
    assert reads() == before + 1


async def test_a_late_update_of_a_deleted_job_does_not_revive_it(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await queue_job(api, redis, await create_job(api, namespace, ["1"]))
    await delete(api, job)
    running = snapshot_of(job).model_copy(
        update={"status": JobStatus.PROCESSING, "attempt": 1, "step": 1, "progress": 48}
    )
    old = running.model_copy(
        update={"updated_at": running.updated_at.replace(year=running.updated_at.year - 1)}
    )
    await job_states.publish(redis, old, 3_600)
    codes = [await status_code(wherry, job)]
    for step in range(2, 5):
        late = running.model_copy(update={"step": step})
        assert not await job_states.publish(redis, late, 3_600)
        codes.append(await status_code(wherry, job))
    assert codes == [404] * 4


async def test_a_stream_of_a_deleted_job_ends(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await queue_job(api, redis, await create_job(api, namespace, ["1"]))
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        await stream.named("connected")
        await delete(api, job)
        # What another process of the API does as soon as a client asks for the job.
        await wherry.components.snapshots.gone(namespace, job.metadata.name)
        failed = await stream.named("failed")
        assert failed.data == {"error": "The job was deleted."}
        assert await stream.ended()


async def test_a_job_created_again_is_not_shown_as_its_namesake(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    body = {"file_ids": [1], "jobId": "the-key"}
    name = (await wherry.client.post("/v1/download/initiate", json=body)).json()["jobId"]
    await api.delete(JOBS, namespace, name)
    job = await completed_job(api, redis, namespace, name)
    assert await status_code(wherry, job) == 200
    await delete(api, job)
    made = await wherry.client.post("/v1/download/initiate", json=body)
    assert made.json()["status"] == "queued"
    status = await wherry.client.get(f"/v1/download/status/{name}")
    assert (status.status_code, status.json()["status"]) == (200, "queued")


async def test_a_keyed_request_creates_the_job_that_expires_meanwhile(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"file_ids": [1], "jobId": "the-key"}
    first = (await wherry.client.post("/v1/download/initiate", json=body)).json()
    read = job_resources.JobResources.get

    async def expired(
        self: job_resources.JobResources, tenant: str, name: str
    ) -> DownloadJob | None:
        monkeypatch.setattr(job_resources.JobResources, "get", read)
        await api.delete(JOBS, tenant, name)
        return await read(self, tenant, name)

    monkeypatch.setattr(job_resources.JobResources, "get", expired)
    again = await wherry.client.post("/v1/download/initiate", json=body)
    assert (again.status_code, again.json()) == (200, first)
    assert await api.get(JOBS, namespace, first["jobId"])


async def test_redis_alone_never_deletes_a_job_that_exists(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await completed_job(api, redis, namespace)
    snapshot: JobSnapshot | None = None
    for _ in range(3):
        assert await status_code(wherry, job, "") == 302
        snapshot = await job_states.read(redis, namespace, job.metadata.name)
    assert snapshot is not None
    assert snapshot.uid == job.metadata.uid
