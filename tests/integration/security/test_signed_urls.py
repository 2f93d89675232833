"""A signed URL is valid for one object and a short time, and only the redirect contains it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from pydantic import ValidationError

from tests.harness.buckets import Bucket
from tests.harness.jobs import job_becomes
from tests.harness.waiting import eventually
from tests.integration.security import hostile_jobs
from tests.integration.security.conftest import Siege
from wherry_core import object_store
from wherry_core.resources import Phase
from wherry_core.settings import LifetimeSettings

BODY = b"archive"


@pytest.mark.parametrize("seconds", [901, 3_600, 604_800, 0, -1])
def test_a_lifetime_out_of_bounds_is_refused_at_start(seconds: int) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        LifetimeSettings.model_validate({"PRESIGNED_URL_EXPIRY_SECONDS": seconds})


@pytest.fixture(params=["seaweedfs", "versitygw"])
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    found: Bucket = request.getfixturevalue(f"{request.param}_bucket")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@asynccontextmanager
async def signed(bucket: Bucket, seconds: int) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    await bucket.put_files({"1": BODY, "2": b"another"})
    async with (
        object_store.connect(bucket.settings, public=True) as signer,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        parameters = {"Bucket": bucket.name, "Key": "files/1"}
        url = await signer.generate_presigned_url(
            "get_object", Params=parameters, ExpiresIn=seconds
        )
        yield client, str(url)


async def test_the_store_refuses_a_url_after_its_time(each_store: Bucket) -> None:
    async with signed(each_store, 2) as (client, url):
        assert (await client.get(url)).content == BODY
        late = await eventually(
            "the URL to expire", lambda: client.get(url), lambda answer: answer.status_code != 200
        )
    assert late.status_code == 403
    assert BODY not in late.content


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def changed(url: str, **query: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=urlencode({**query_of(url), **query})))


async def test_the_store_refuses_a_url_that_was_changed(each_store: Bucket) -> None:
    async with signed(each_store, 60) as (client, url):
        assert (await client.get(url)).status_code == 200
        for other in (
            url.replace("files/1", "files/2"),
            changed(url, **{"X-Amz-Expires": "600"}),
            changed(url, **{"response-content-disposition": "inline"}),
        ):
            assert (await client.get(other)).status_code == 403, other
        for method in ("PUT", "DELETE", "POST"):
            answer = await client.request(method, url, content=b"x")
            assert answer.status_code >= 400, method
        assert (await client.get(url)).content == BODY


async def test_a_signed_url_is_found_nowhere_but_in_the_redirect(siege: Siege) -> None:
    job = await siege.create(hostile_jobs.changed())
    ended = await job_becomes(siege.api, job, Phase.COMPLETED)
    where = f"/v1/download/{job.metadata.name}"
    answers = [await siege.client.get(where) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 302
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["location"] not in answer.text
        assert query_of(answer.headers["location"])["X-Amz-Expires"] == "900"
    elsewhere: list[Any] = [
        await siege.client.get(f"/v1/download/{path}")
        for path in (f"status/{job.metadata.name}", f"{job.metadata.name}/details", "")
    ]
    texts = [answer.text for answer in elsewhere]
    texts += [str(ended), "\n".join(siege.log_lines()), *await everything_in(siege)]
    secrets = [siege.bucket.store.secret_key, "X-Amz-Signature", "X-Amz-Credential"]
    secrets += [query_of(each.headers["location"])["X-Amz-Signature"] for each in answers]
    for secret in secrets:
        assert not any(secret in text for text in texts)


async def everything_in(siege: Siege) -> list[str]:
    """Return every value in Redis."""
    found: list[str] = []
    async for key in siege.redis.scan_iter():
        kind = await siege.redis.type(key)
        if kind == "hash":
            found.append(str(await siege.redis.hgetall(key)))
        elif kind == "string":
            found.append(str(await siege.redis.get(key)))
        elif kind == "zset":
            found.append(str(await siege.redis.zrange(key, 0, -1)))
        else:
            found.append(str(await siege.redis.smembers(key)))
    return found
