"""The redirect, followed to a real store."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.api import Api
from tests.harness.buckets import Bucket
from tests.harness.jobs import create_job, patch_status
from tests.integration.api.archives import archive_of
from tests.integration.api.conftest import MakeApi, RunningApi

BODY = b"PK\x05\x06" + b"\0" * 18
NAME = 'Fotos & "Pläne" 100%.zip'


@pytest.fixture(params=["seaweedfs_bucket", "versitygw_bucket"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """Every test of this file runs with both stores."""
    found: Bucket = request.getfixturevalue(request.param)
    return found


async def completed_job(api: Api, namespace: str, bucket: Bucket) -> str:
    job = await create_job(api, namespace, ["1"])
    archive = archive_of(job, bucket.name, NAME, len(BODY))
    async with bucket.connect() as client:
        await client.put_object(Bucket=bucket.name, Key=archive["key"], Body=BODY)
    await patch_status(
        api, job, phase="Completed", completionTime="2030-01-01T00:00:00Z", archive=archive
    )
    return job.metadata.name


async def fetch(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=headers)


async def test_the_archive_is_fetched(
    wherry: RunningApi, api: Api, namespace: str, bucket: Bucket
) -> None:
    name = await completed_job(api, namespace, bucket)
    location = (await wherry.client.get(f"/v1/download/{name}")).headers["location"]
    assert location.startswith(f"{bucket.store.endpoint}/{bucket.name}/archives/")
    answer = await fetch(location)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Fotos & _Pl_ne_ 100_.zip"; '
        "filename*=UTF-8''Fotos%20&%20%22Pl%C3%A4ne%22%20100%25.zip"
    )
    part = await fetch(location, Range="bytes=2-5")
    assert (part.status_code, part.content) == (206, BODY[2:6])


async def test_the_url_is_signed_for_the_public_endpoint(
    make_api: MakeApi,
    api: Api,
    namespace: str,
    bucket: Bucket,
    api_environment: dict[str, str],
) -> None:
    public = bucket.store.endpoint.replace("127.0.0.1", "localhost")
    api_environment["WHERRY_S3_PUBLIC_ENDPOINT_URL"] = public
    api_environment["WHERRY_S3_ENDPOINT_URL"] = "http://store.inside.example:9000"
    wherry = await make_api()
    name = await completed_job(api, namespace, bucket)
    location = (await wherry.client.get(f"/v1/download/{name}")).headers["location"]
    assert location.startswith(f"{public}/{bucket.name}/")
    # The host is part of the signature, so the answer shows that the right one was signed.
    answer = await fetch(
        location.replace("localhost", "127.0.0.1"), Host=httpx.URL(public).netloc.decode()
    )
    assert (answer.status_code, answer.content) == (200, BODY)


async def test_virtual_host_style(
    make_api: MakeApi,
    api: Api,
    namespace: str,
    bucket: Bucket,
    api_environment: dict[str, str],
) -> None:
    api_environment["WHERRY_S3_PUBLIC_ENDPOINT_URL"] = "https://objects.example.com"
    api_environment["WHERRY_S3_ADDRESSING_STYLE"] = "virtual"
    wherry = await make_api()
    name = await completed_job(api, namespace, bucket)
    location = (await wherry.client.get(f"/v1/download/{name}")).headers["location"]
    assert location.startswith(f"https://{bucket.name}.objects.example.com/archives/{namespace}/")
    assert "X-Amz-SignedHeaders=host" in location


async def test_every_click_gets_a_new_signature(
    make_api: MakeApi, api: Api, namespace: str, bucket: Bucket
) -> None:
    wherry = await make_api(public_url="https://wherry.example.com/")
    name = await completed_job(api, namespace, bucket)
    status: dict[str, Any] = (await wherry.client.get(f"/v1/download/status/{name}")).json()
    assert status["downloadUrl"] == f"https://wherry.example.com/v1/download/{name}"
    assert "X-Amz" not in str(status)
    location = httpx.URL((await wherry.client.get(f"/v1/download/{name}")).headers["location"])
    assert location.params["X-Amz-Expires"] == "900"


async def test_without_credentials_for_the_store_the_redirect_says_so(
    make_api: MakeApi,
    api: Api,
    namespace: str,
    bucket: Bucket,
    api_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # As if a role's credentials could not be fetched: there are none.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    wherry = await make_api()
    name = await completed_job(api, namespace, bucket)
    answer = await wherry.client.get(f"/v1/download/{name}")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:wherry:problem:unavailable")
    assert "cannot get credentials for the store" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "5"
    assert "a URL cannot be presigned: NoCredentialsError" in caplog.text
    await wherry.components.readiness.check_store()
    assert not wherry.components.readiness.up["store"]


@pytest.mark.parametrize(
    "key",
    ["archives/another-team/u/1/a.zip", "archives/../private", "archives/"],
)
async def test_only_the_job_s_own_result_is_signed(
    wherry: RunningApi, api: Api, namespace: str, bucket: Bucket, key: str
) -> None:
    job = await create_job(api, namespace, ["1"])
    forged = archive_of(job, bucket.name) | {"key": key}
    await patch_status(
        api, job, phase="Completed", completionTime="2030-01-01T00:00:00Z", archive=forged
    )
    answer = await wherry.client.get(f"/v1/download/{job.metadata.name}")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:wherry:problem:job-failed")
    assert "location" not in answer.headers
