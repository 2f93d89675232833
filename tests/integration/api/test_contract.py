"""Idempotency keys, cancelling, retrying, listing, and errors."""

import asyncio
import json
from typing import Any

import pytest

from tests.harness.api import JOBS, Api
from tests.harness.jobs import create_job, patch_status, read_job
from tests.harness.waiting import eventually
from tests.integration.api.conftest import MakeApi, RunningApi
from wherry_api.services import job_resources
from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_states, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources.retried_job import retried_job

INITIATE = "/v1/download/initiate"


async def post(wherry: RunningApi, body: Any, **headers: str) -> Any:
    return await wherry.client.post(INITIATE, json=body, headers=headers)


def assert_problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:wherry:problem:{slug}"
    assert problem["status"] == status
    assert problem["detail"].endswith((".", "?"))
    return problem


async def test_the_same_key_and_body_is_the_same_job(wherry: RunningApi) -> None:
    body = {"file_ids": [1, 2]}
    answers = await asyncio.gather(
        *(post(wherry, body, **{"Idempotency-Key": "order-7"}) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    in_body = await post(wherry, {**body, "jobId": "order-7"})
    assert in_body.json() == answers[0].json()
    listed = (await wherry.client.get("/v1/download")).json()
    assert [job["jobId"] for job in listed["jobs"]] == [answers[0].json()["jobId"]]


async def test_the_same_key_returns_the_current_status(
    wherry: RunningApi, api: Api, namespace: str
) -> None:
    first = (await post(wherry, {"file_ids": [1], "jobId": "k"})).json()
    job = await api.get(JOBS, namespace, first["jobId"])
    await api.patch(JOBS, namespace, job["metadata"]["name"], {"spec": {"priority": 5}})
    await api.patch(
        JOBS, namespace, job["metadata"]["name"], {"status": {"phase": "Processing"}}, sub="status"
    )
    again = await post(wherry, {"file_ids": [1], "jobId": "k"})
    assert again.status_code == 200
    assert again.json() == {**first, "status": "processing"}


@pytest.mark.parametrize(
    "other",
    [{"file_ids": [1, 3]}, {"file_ids": [2, 1]}, {"file_ids": [1, 2], "onMissing": "Manifest"}],
)
async def test_the_same_key_with_another_body_is_refused(
    wherry: RunningApi, other: dict[str, Any]
) -> None:
    assert (await post(wherry, {"file_ids": [1, 2], "jobId": "k"})).status_code == 200
    assert_problem(await post(wherry, {**other, "jobId": "k"}), 422, "idempotency-key-reused")


async def test_an_invalid_key_is_explained(wherry: RunningApi) -> None:
    answer = await post(wherry, {"file_ids": [1]}, **{"Idempotency-Key": "a b"})
    problem = assert_problem(answer, 422, "invalid-request")
    assert problem["errors"][0]["header"] == "Idempotency-Key"
    assert "printable ASCII characters without spaces" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "slug", "pointer"),
    [
        (b"{", 400, "malformed-body", None),
        (b"[1]", 400, "malformed-body", None),
        (b"{}", 422, "invalid-request", "/file_ids"),
        (b'{"file_ids":[]}', 422, "invalid-request", "/file_ids"),
        (b'{"file_ids":"1"}', 422, "invalid-request", "/file_ids"),
        (b'{"file_ids":[1,true]}', 422, "invalid-request", "/file_ids/1"),
        (b'{"file_ids":[1,"a",1.5]}', 422, "invalid-request", "/file_ids/2"),
        (b'{"file_ids":[null]}', 422, "invalid-request", "/file_ids/0"),
        (b'{"file_ids":["a",""]}', 422, "invalid-request", "/file_ids/1"),
        (b'{"file_ids":["a\\u0000"]}', 422, "invalid-request", "/file_ids/0"),
        (b'{"file_ids":[1],"archiveName":"a/b"}', 422, "invalid-request", "/archiveName"),
        (b'{"file_ids":[1],"jobId":"a b"}', 422, "invalid-request", "/jobId"),
        (b'{"file_ids":[1],"prio":1}', 422, "invalid-request", "/prio"),
        (json.dumps({"file_ids": ["a" * 257]}).encode(), 422, "invalid-request", "/file_ids/0"),
        (
            json.dumps({"file_ids": list(range(10_001))}).encode(),
            413,
            "too-many-file-ids",
            "/file_ids/10000",
        ),
        (json.dumps({"file_ids": ["a" * 200] * 10_000}).encode(), 413, "body-too-large", None),
        (json.dumps({"file_ids": ["a" * 256] * 10_000}).encode(), 413, "body-too-large", None),
        (b" " * 3_200_000, 413, "body-too-large", None),
    ],
)
async def test_bad_bodies(
    wherry: RunningApi, body: bytes, status: int, slug: str, pointer: str | None
) -> None:
    answer = await wherry.client.post(
        INITIATE, content=body, headers={"content-type": "application/json"}
    )
    problem = assert_problem(answer, status, slug)
    if pointer:
        assert problem["errors"][0]["pointer"] == pointer


async def test_a_body_without_a_length_is_limited_too(wherry: RunningApi) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 65_536

    answer = await wherry.client.post(
        INITIATE, content=endless(), headers={"content-type": "application/json"}
    )
    assert_problem(answer, 413, "body-too-large")


async def test_other_errors_are_problems_too(wherry: RunningApi) -> None:
    client = wherry.client
    assert_problem(await client.get("/nothing"), 404, "not-found")
    assert_problem(await client.delete(INITIATE + "/x"), 404, "not-found")
    wrong = await client.put("/v1/download/abc")
    assert_problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "DELETE, GET"
    for method in ("GET", "HEAD", "PUT"):
        refused = await client.request(method, INITIATE)
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    problem = assert_problem(await client.get(INITIATE), 405, "method-not-allowed")
    assert "Send a POST" in problem["detail"]
    for page in ("/docs", "/openapi.json"):
        assert "GET" in (await client.put(page)).headers["allow"]
    assert_problem(await client.get("/v1/download?limit=0"), 422, "invalid-request")
    assert_problem(await client.get("/v1/download?status=lost"), 422, "invalid-request")
    assert_problem(await client.get("/v1/download?cursor=abc"), 422, "invalid-request")
    assert_problem(
        await client.get("/health", headers={"x-long": "a" * 40_000}), 431, "headers-too-large"
    )
    for name in ("nobody", "NO", "a" * 300, "%2e%2e", "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11"):
        for path in ("status/", "stream/", ""):
            assert_problem(await client.get(f"/v1/download/{path}{name}"), 404, "job-not-found")


@pytest.mark.parametrize(
    "sent",
    [
        # What a page of any site can send without a preflight request.
        [],
        ["text/plain"],
        ["text/plain;charset=UTF-8"],
        ["application/x-www-form-urlencoded"],
        ["multipart/form-data; boundary=x"],
        ["text/plain; application/json"],
        ["text/plain, application/json"],
        ["text/plain", "application/json"],
        # Media types other than JSON, whatever the body is.
        [""],
        ["application/json, text/plain"],
        ["application/json", "application/json"],
        ["application/jsonp"],
        ["application/merge-patch+json"],
    ],
)
async def test_a_body_that_is_not_sent_as_json_is_not_read(
    wherry: RunningApi, sent: list[str]
) -> None:
    headers = [("content-type", value) for value in sent]
    answer = await wherry.client.post(INITIATE, content=b'{"file_ids":[1]}', headers=headers)
    problem = assert_problem(answer, 415, "unsupported-media-type")
    assert "Content-Type: application/json" in problem["detail"]
    assert (await wherry.client.get("/v1/download")).json()["jobs"] == []


@pytest.mark.parametrize("sent", ["application/json", "Application/JSON ; charset=utf-8"])
async def test_json_by_its_name(wherry: RunningApi, sent: str) -> None:
    answer = await wherry.client.post(
        INITIATE, content=b'{"file_ids":[1]}', headers={"content-type": sent}
    )
    assert answer.status_code == 200


async def test_cancelling_twice(wherry: RunningApi, api: Api, namespace: str) -> None:
    job = await create_job(api, namespace, ["1"])
    path = f"/v1/download/{job.metadata.name}"
    for _ in range(2):
        answer = await wherry.client.delete(path)
        assert (answer.status_code, answer.content) == (204, b"")
    cancelled = await read_job(api, job)
    assert cancelled.spec.cancel
    assert cancelled.metadata.generation == 2
    assert_problem(await wherry.client.delete("/v1/download/unknown"), 404, "job-not-found")


async def test_a_cancel_reaches_the_runner_without_an_operator(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    await patch_status(api, job, phase="Processing", runner="default-0", runnerUID="the-uid")
    runner = RunnerId("default-0", "the-uid")
    assert not (await runner_registry.heartbeat(redis, "default", runner, [job.key])).stop
    assert (await wherry.client.delete(f"/v1/download/{job.metadata.name}")).status_code == 204
    orders = await runner_registry.heartbeat(redis, "default", runner, [job.key])
    assert orders.stop == {job.key}


async def test_an_ended_job_is_not_cancelled(wherry: RunningApi, api: Api, namespace: str) -> None:
    job = await create_job(api, namespace, ["1"])
    await patch_status(api, job, phase="Failed")
    assert (await wherry.client.delete(f"/v1/download/{job.metadata.name}")).status_code == 204
    assert not (await read_job(api, job)).spec.cancel


async def test_retrying(wherry: RunningApi, api: Api, namespace: str) -> None:
    job = await create_job(api, namespace, ["1", "2"], archiveName="my.zip", priority=3)
    path = f"/v1/download/{job.metadata.name}/retry"
    problem = assert_problem(await wherry.client.post(path), 409, "job-not-ended")
    assert problem["jobStatus"] == "queued"
    await api.patch(JOBS, namespace, job.metadata.name, {"spec": {"cancel": True}})
    await patch_status(api, job, phase="Cancelled")
    answers = [await wherry.client.post(path) for _ in range(2)]
    body = answers[0].json()
    assert body == {
        "jobId": body["jobId"],
        "status": "queued",
        "totalFileIds": 2,
        "estimatedTimeSeconds": 4,
    }
    assert answers[1].json() == body
    new = await api.get(JOBS, namespace, body["jobId"])
    assert new["metadata"]["labels"]["wherry.dev/retry-of"] == job.metadata.name
    assert new["spec"]["fileIDs"] == ["1", "2"]
    assert new["spec"]["archiveName"] == "my.zip"
    assert new["spec"]["priority"] == 3
    assert new["spec"]["cancel"] is False


async def test_a_retry_is_the_job_of_the_annotation(
    wherry: RunningApi, api: Api, namespace: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    failed = await patch_status(api, job, phase="Failed")
    # What the operator creates for the annotation wherry.dev/retry.
    annotated = retried_job(failed.metadata, failed.spec)
    await api.create(JOBS, namespace, annotated)
    answer = await wherry.client.post(f"/v1/download/{job.metadata.name}/retry")
    assert answer.json()["jobId"] == annotated["metadata"]["name"]
    jobs = (await wherry.client.get("/v1/download")).json()["jobs"]
    assert len(jobs) == 2


async def test_listing(wherry: RunningApi, api: Api, namespace: str) -> None:
    phases = [None, "Queued", "Processing", "Completed", "Failed", "Cancelled"]
    for index, phase in enumerate(phases):
        job = await create_job(api, namespace, ["1"], name=f"job-{index}")
        if phase:
            await patch_status(api, job, phase=phase)
    await api.patch(
        JOBS, namespace, "job-4", {"metadata": {"labels": {"wherry.dev/dead-letter": "true"}}}
    )

    async def names(**query: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = (await wherry.client.get("/v1/download", params=query)).json()
            found += [job["jobId"] for job in page["jobs"]]
            if page["nextCursor"] is None:
                return found
            query["cursor"] = page["nextCursor"]

    assert await names(limit=4) == [f"job-{index}" for index in range(6)]
    assert await names(limit=1, status="queued") == ["job-0", "job-1"]
    assert await names(status="processing") == ["job-2"]
    assert await names(status="completed") == ["job-3"]
    assert await names(limit=1, status="failed") == ["job-4", "job-5"]
    assert await names(deadLetter="true") == ["job-4"]
    assert await names(deadLetter="false", status="failed") == ["job-5"]


async def test_a_page_is_read_in_pieces(
    wherry: RunningApi, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_resources, "JOBS_A_READ", 2)
    for index in range(6):
        await create_job(api, namespace, ["1"], name=f"job-{index}")

    async def page(limit: int, cursor: str = "") -> tuple[list[str], str | None]:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = (await wherry.client.get("/v1/download", params=query)).json()
        return [job["jobId"] for job in answer["jobs"]], answer["nextCursor"]

    names, cursor = await page(5)
    assert names == [f"job-{index}" for index in range(5)]
    assert cursor
    assert await page(5, cursor) == (["job-5"], None)
    for limit in (6, 100):
        assert await page(limit) == ([f"job-{index}" for index in range(6)], None)


async def test_the_redirect_before_and_without_an_archive(
    wherry: RunningApi, api: Api, namespace: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    path = f"/v1/download/{job.metadata.name}"
    early = await wherry.client.get(path)
    problem = assert_problem(early, 409, "job-not-ready")
    assert (problem["jobStatus"], problem["progress"]) == ("queued", 0)
    assert early.headers["retry-after"] == "2"
    await patch_status(api, job, phase="Cancelled")
    problem = assert_problem(await wherry.client.get(path), 409, "job-failed")
    assert "cancelled" in problem["detail"]


async def test_an_ended_job_that_is_gone_has_expired(
    wherry: RunningApi, api: Api, redis: Redis, namespace: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    name = job.metadata.name
    failed = await patch_status(api, job, phase="Failed", completionTime="2030-01-01T00:00:09Z")
    await job_states.publish(redis, snapshot_of(failed), 3600)
    assert (await wherry.client.get(f"/v1/download/status/{name}")).json()["status"] == "failed"
    await eventually("the end to be remembered", lambda: redis.exists(f"wherry:ended:{job.key}"))
    await api.delete(JOBS, namespace, name)
    await job_states.delete(redis, namespace, name, job.metadata.uid)
    for path in (f"status/{name}", f"stream/{name}", name):
        assert_problem(await wherry.client.get(f"/v1/download/{path}"), 410, "job-expired")
    retried = await wherry.client.post(f"/v1/download/{name}/retry")
    assert "2030-01-01T00:00:09Z" in assert_problem(retried, 410, "job-expired")["detail"]


async def test_a_tenant_runs_into_its_rate_limit(make_api: MakeApi) -> None:
    wherry = await make_api(rate_limit_requests=2, rate_limit_seconds=3600)
    body = {"file_ids": [1]}
    first = await post(wherry, body)
    assert first.headers["ratelimit-policy"] == '"tenant";q=2;w=3600'
    assert first.headers["ratelimit"].startswith('"tenant";r=1;t=')
    assert (await post(wherry, body)).status_code == 200
    refused = await post(wherry, body)
    assert_problem(refused, 429, "rate-limited")
    assert 0 < int(refused.headers["retry-after"]) <= 1800
    assert refused.headers["ratelimit"].startswith('"tenant";r=0')
    assert (await wherry.client.get("/v1/download/status/x")).status_code == 404


async def test_a_quota_of_the_namespace_is_reported(
    wherry: RunningApi, api: Api, namespace: str
) -> None:
    hard = {"hard": {"count/downloadjobs.wherry.dev": "0"}}
    await api.create("resourcequotas", namespace, {"metadata": {"name": "jobs"}, "spec": hard})
    # What the controller manager does on a whole cluster.
    status = {"status": {**hard, "used": {"count/downloadjobs.wherry.dev": "0"}}}
    await api.patch("resourcequotas", namespace, "jobs", status, sub="status")

    async def answer() -> Any:
        return await post(wherry, {"file_ids": [1]})

    refused = await eventually("the quota to hold", answer, lambda a: a.status_code != 200)
    assert_problem(refused, 429, "quota-exceeded")


async def test_browsers_of_other_origins_are_refused(make_api: MakeApi) -> None:
    closed = await make_api()
    answer = await closed.client.get("/health", headers={"Origin": "https://app.example.com"})
    assert "access-control-allow-origin" not in answer.headers
    opened = await make_api(cors_origins=("https://app.example.com",))
    answer = await opened.client.get("/health", headers={"Origin": "https://app.example.com"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    answer = await opened.client.get("/health", headers={"Origin": "https://other.example.com"})
    assert "access-control-allow-origin" not in answer.headers
