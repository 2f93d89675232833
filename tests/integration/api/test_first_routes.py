"""The exact shapes of the first four routes."""

import json
import uuid
from typing import Any

import httpx

from tests.harness.api import JOBS, Api
from tests.harness.jobs import create_job, patch_status, queue_job, read_job
from tests.integration.api.archives import archive_of
from tests.integration.api.conftest import RunningApi
from tests.integration.api.streams import Events, open_stream
from wherry_core.job_snapshot import JobStatus, snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

STATUS_FIELDS = [
    "jobId",
    "status",
    "progress",
    "completedFiles",
    "totalFiles",
    "downloadUrl",
    "size",
    "error",
    "createdAt",
    "updatedAt",
    "completedAt",
]


async def complete(api: Api, redis: Redis, job: DownloadJob, **archive: Any) -> DownloadJob:
    done = await patch_status(
        api,
        job,
        phase="Completed",
        progress=100,
        files={"total": 2, "completed": 2},
        completionTime="2030-01-01T00:00:09Z",
        startTime="2030-01-01T00:00:01Z",
        archive={**archive_of(job, name="ä b.zip"), **archive},
    )
    await job_states.publish(redis, snapshot_of(done), 3600)
    return done


async def test_initiate_answers_exactly(wherry: RunningApi, api: Api, namespace: str) -> None:
    answer = await wherry.client.post(
        "/v1/download/initiate", json={"file_ids": [70000, 70001, 70002]}
    )
    assert answer.status_code == 200
    body = answer.json()
    assert uuid.UUID(body["jobId"]).version == 4
    assert body == {
        "jobId": body["jobId"],
        "status": "queued",
        "totalFileIds": 3,
        "estimatedTimeSeconds": 6,
    }
    job = await api.get(JOBS, namespace, body["jobId"])
    assert job["spec"]["fileIDs"] == ["70000", "70001", "70002"]
    assert job["spec"]["pool"] == "default"
    assert job["metadata"]["labels"]["wherry.dev/requested-by"] == "api"
    assert "status" not in job


async def test_status_of_a_new_job(wherry: RunningApi) -> None:
    made = await wherry.client.post("/v1/download/initiate", json={"file_ids": ["a", 1, "1"]})
    name = made.json()["jobId"]
    answer = await wherry.client.get(f"/v1/download/status/{name}")
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert list(body)[: len(STATUS_FIELDS)] == STATUS_FIELDS
    assert set(body) - set(STATUS_FIELDS) == {"queuePosition", "estimatedTimeSeconds"}
    times = {key: body.pop(key) for key in ("createdAt", "updatedAt")}
    assert all(value.endswith("Z") for value in times.values())
    assert body == {
        "jobId": name,
        "status": "queued",
        "progress": 0,
        "completedFiles": 0,
        "totalFiles": 2,
        "downloadUrl": None,
        "size": None,
        "error": None,
        "completedAt": None,
        "queuePosition": None,
        "estimatedTimeSeconds": 4,
    }


async def test_status_shows_the_position_in_the_queue(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    first = await queue_job(api, redis, await create_job(api, namespace, ["1"]))
    second = await queue_job(api, redis, await create_job(api, namespace, ["2"]))
    for job, position in ((first, 1), (second, 2)):
        answer = await wherry.client.get(f"/v1/download/status/{job.metadata.name}")
        assert answer.json()["queuePosition"] == position


async def test_a_completed_job_redirects(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await complete(api, redis, await create_job(api, namespace, ["1", "2"]))
    name = job.metadata.name
    status = (await wherry.client.get(f"/v1/download/status/{name}")).json()
    assert status["status"] == "completed"
    assert status["downloadUrl"] == f"/v1/download/{name}"
    assert status["size"] == 4711
    assert status["progress"] == 100
    assert status["completedAt"] == "2030-01-01T00:00:09Z"
    answer = await wherry.client.get(status["downloadUrl"], follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    url = httpx.URL(answer.headers["location"])
    assert url.params["X-Amz-Expires"] == "900"
    assert (
        url.params["response-content-disposition"]
        == "attachment; filename=\"_ b.zip\"; filename*=UTF-8''%C3%A4%20b.zip"
    )


async def test_a_stream_from_the_queue_to_the_end(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await queue_job(api, redis, await create_job(api, namespace, ["1", "2"]))
    name = job.metadata.name
    async with open_stream(wherry.client, name) as (answer, stream):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        connected = await stream.next()
        assert connected.name == "connected"
        status = (await wherry.client.get(f"/v1/download/status/{name}")).json()
        assert {**connected.data, "updatedAt": ""} == {**status, "updatedAt": ""}
        assert connected.retry is not None
        running = snapshot_of(await read_job(api, job)).model_copy(
            update={"status": JobStatus.PROCESSING, "step": 1, "progress": 50, "completed_files": 1}
        )
        await job_states.publish(redis, running, 3600)
        progress = await stream.next()
        assert progress.name == "progress"
        assert progress.data == {"progress": 50, "completedFiles": 1, "totalFiles": 2}
        await complete(api, redis, job)
        completed = await stream.next()
        assert completed.name == "completed"
        assert completed.data == {"downloadUrl": f"/v1/download/{name}", "size": 4711}
        assert await stream.ended()
    again = await wherry.client.get(
        f"/v1/download/stream/{name}", headers={"Last-Event-ID": str(completed.id)}
    )
    assert again.status_code == 204
    assert again.content == b""


async def test_a_stream_of_a_failed_job(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    await patch_status(api, job, phase="Cancelled", completionTime="2030-01-01T00:00:09Z")
    async with open_stream(wherry.client, job.metadata.name) as (_, stream):
        assert (await stream.next()).data["status"] == "failed"
        failed = await stream.next()
        assert (failed.name, failed.data) == ("failed", {"error": "The job was cancelled."})
        assert await stream.ended()


async def test_health_and_docs(wherry: RunningApi) -> None:
    health = await wherry.client.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    assert (await wherry.client.get("/health/ready")).status_code == 200
    for path in ("/health", "/health/ready"):
        head = await wherry.client.head(path)
        assert (head.status_code, head.content) == (200, b"")
    assert (await wherry.client.get("/docs")).status_code == 200
    assert (await wherry.client.get("/docs/swagger-ui-bundle.js")).status_code == 200
    document = (await wherry.client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert json.dumps(document)


def test_events_are_parsed_separately() -> None:
    events = Events.parse("event: a\nid: 1\nretry: 5\ndata: {}\n\n: hello\n\nevent: b\ndata: 1\n\n")
    assert [(event.name, event.id, event.retry, event.data) for event in events] == [
        ("a", "1", 5, {}),
        ("b", None, None, 1),
    ]
