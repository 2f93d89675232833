"""Jobs that kubectl created: every name that Kubernetes takes is served by every route."""

import pytest

from tests.harness.api import Api
from tests.harness.jobs import create_job, patch_status
from tests.integration.api.archives import completed
from tests.integration.api.conftest import RunningApi
from tests.integration.api.streams import open_stream

LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])


@pytest.mark.parametrize(
    "name", ["backup.2030-01-01", "x" * 64, "x" * 253, LONGEST, "0", "a.b-c.d"]
)
async def test_every_route_serves_the_name(
    wherry: RunningApi, api: Api, namespace: str, name: str
) -> None:
    client = wherry.client
    job = await create_job(api, namespace, ["1"], name=name)
    status = await client.get(f"/v1/download/status/{name}")
    assert (status.status_code, status.json()["jobId"]) == (200, name)
    assert (await client.get(f"/v1/download/{name}/details")).status_code == 200
    ticket = (await client.post(f"/v1/download/{name}/ticket")).json()["ticket"]
    async with open_stream(client, name, params={"ticket": ticket}) as (_, stream):
        assert (await stream.named("connected")).data["jobId"] == name
    listed = (await client.get("/v1/download")).json()["jobs"]
    assert [each["jobId"] for each in listed] == [name]
    assert (await client.delete(f"/v1/download/{name}")).status_code == 204
    await patch_status(api, job, phase="Cancelled", completionTime="2030-01-01T00:00:09Z")
    retried = await client.post(f"/v1/download/{name}/retry")
    assert retried.status_code == 200
    details = await client.get(f"/v1/download/{retried.json()['jobId']}/details")
    assert name.startswith(details.json()["retryOf"])


@pytest.mark.parametrize("name", ["backup.2030-01-01", LONGEST])
async def test_the_archive_of_the_name(
    wherry: RunningApi, api: Api, namespace: str, name: str
) -> None:
    job = await create_job(api, namespace, ["1"], name=name)
    await patch_status(api, job, **completed(job))
    assert (await wherry.client.get(f"/v1/download/{name}")).status_code == 302
