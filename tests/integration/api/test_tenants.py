"""No caller sees the job of another tenant: every route in every mode."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import tenants
from tests.harness.api import JOBS, Api, path
from tests.harness.fixtures import NamespaceFactory
from tests.harness.jobs import create_job, patch_status, read_job
from tests.integration.api.archives import archive_of
from tests.integration.api.conftest import MakeApi, RunningApi
from tests.integration.api.identity_provider import AUDIENCE, identity_provider
from wherry_api.auth.api_keys import make_key
from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

MODES = ("none", "kubernetes", "oidc", "api-keys")
ROUTES = (
    ("GET", "/v1/download/status/{}"),
    ("GET", "/v1/download/stream/{}"),
    ("GET", "/v1/download/{}"),
    ("GET", "/v1/download/{}/details"),
    ("DELETE", "/v1/download/{}"),
    ("POST", "/v1/download/{}/retry"),
    ("POST", "/v1/download/{}/ticket"),
)
USER_RULES = [
    {
        "apiGroups": ["wherry.dev"],
        "resources": ["downloadjobs"],
        "verbs": ["create", "get", "list", "patch"],
    }
]


@dataclass(frozen=True)
class Side:
    """One tenant: namespace, server (shared except in mode none), and job."""

    namespace: str
    wherry: RunningApi
    headers: Mapping[str, str]
    job: DownloadJob


@dataclass(frozen=True)
class TwoTenants:
    mode: str
    mine: Side
    theirs: Side


@pytest.fixture(params=MODES)
async def two_tenants(
    request: pytest.FixtureRequest,
    make_api: MakeApi,
    api: Api,
    redis: Redis,
    make_namespace: NamespaceFactory,
    tmp_path: Path,
) -> AsyncIterator[TwoTenants]:
    mode = request.param
    names = [await make_namespace("mine"), await make_namespace("theirs")]
    async with AsyncExitStack() as stack:
        servers, headers = await _servers(mode, names, make_api, api, tmp_path, stack)
        sides = []
        for name, server, secret in zip(names, servers, headers, strict=True):
            job = await create_job(api, name, ["1"])
            done = await patch_status(
                api,
                job,
                phase="Completed",
                completionTime="2030-01-01T00:00:09Z",
                archive=archive_of(job),
            )
            await job_states.publish(redis, snapshot_of(done), 3600)
            sides.append(Side(name, server, secret, job))
        yield TwoTenants(mode, *sides)


async def _servers(
    mode: str,
    names: list[str],
    make_api: MakeApi,
    api: Api,
    folder: Path,
    stack: AsyncExitStack,
) -> tuple[list[RunningApi], list[dict[str, str]]]:
    if mode == "none":
        return [await make_api(auth_mode="none", default_tenant=name) for name in names], [{}, {}]
    secrets: list[str] = []
    settings: dict[str, Any] = {"auth_mode": mode, "tenant_namespaces": tuple(names)}
    if mode == "kubernetes":
        for name in names:
            await tenants.create_service_account(api, name, "user")
            await tenants.grant(api, (name, "user"), USER_RULES, namespace=name)
            secrets.append(await audience_token(api, name))
    if mode == "oidc":
        provider = await stack.enter_async_context(identity_provider())
        secrets = [provider.token("first", tenant=name) for name in names]
        settings |= {"oidc_issuer": provider.issuer, "oidc_audience": AUDIENCE}
    if mode == "api-keys":
        made = [make_key(name) for name in names]
        secrets = [key for key, _ in made]
        file = folder / "keys"
        file.write_text("# keys\n" + "\n".join(line for _, line in made))
        settings |= {"api_keys_file": str(file)}
    server = await make_api(**settings)
    return [server, server], [{"Authorization": f"Bearer {secret}"} for secret in secrets]


async def audience_token(api: Api, namespace: str, audience: str = "wherry") -> str:
    answer = await api.create(
        "serviceaccounts",
        namespace,
        {"spec": {"expirationSeconds": 3600, "audiences": [audience]}},
        name="user",
        sub="token",
    )
    return str(answer["status"]["token"])


async def send(side: Side, method: str, url: str, **more: Any) -> httpx.Response:
    headers = {**side.headers, **more.pop("headers", {})}
    return await side.wherry.client.request(method, url, headers=headers, **more)


async def test_another_tenants_job_is_a_404_on_every_route(
    two_tenants: TwoTenants, api: Api
) -> None:
    mine, theirs = two_tenants.mine, two_tenants.theirs
    for method, route in ROUTES:
        for variant in ({}, {"headers": {"Wherry-Tenant": theirs.namespace}}):
            if variant and two_tenants.mode == "none":
                continue
            strange = await send(mine, method, route.format(theirs.job.metadata.name), **variant)
            unknown = await send(mine, method, route.format("unknown"), **variant)
            where = f"{method} {route} {variant}"
            assert strange.status_code == 404, where
            assert strange.json()["type"] == "urn:wherry:problem:job-not-found", where
            unknown_text = unknown.text.replace("unknown", theirs.job.metadata.name)
            assert strange.text == unknown_text, where
            assert strange.headers.get("ratelimit") == unknown.headers.get("ratelimit"), where
    assert not (await read_job(api, theirs.job)).spec.cancel
    theirs_now = await api.request("GET", path(JOBS, theirs.namespace))
    assert len(theirs_now["items"]) == 1
    listed = (await send(mine, "GET", "/v1/download")).json()["jobs"]
    assert [job["jobId"] for job in listed] == [mine.job.metadata.name]


async def test_the_owner_gets_through_on_every_route(two_tenants: TwoTenants) -> None:
    mine = two_tenants.mine
    expected = {
        "retry": 409,
        "ticket": 200,
        "DELETE": 204,
        "stream": 200,
        "status": 200,
        "details": 200,
    }
    for method, route in ROUTES:
        answer = await send(mine, method, route.format(mine.job.metadata.name))
        words = [word for word in expected if word in f"{method} {route}"]
        assert answer.status_code == (expected[words[0]] if words else 302), f"{method} {route}"
    made = await send(mine, "POST", "/v1/download/initiate", json={"file_ids": [1]})
    assert made.status_code == 200


async def test_one_key_names_two_jobs_in_two_tenants(two_tenants: TwoTenants) -> None:
    body = {"file_ids": [1], "jobId": "the-same"}
    answers = [
        await send(side, "POST", "/v1/download/initiate", json=body)
        for side in (two_tenants.mine, two_tenants.theirs)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["jobId"] != answers[1].json()["jobId"]


async def test_without_credentials(two_tenants: TwoTenants) -> None:
    mine = two_tenants.mine
    wrong = 200 if two_tenants.mode == "none" else 401
    assert (await mine.wherry.client.get("/v1/download")).status_code == wrong
    if two_tenants.mode == "none":
        return
    routes = [(method, route.format(mine.job.metadata.name)) for method, route in ROUTES]
    routes += [("GET", "/v1/download"), ("POST", "/v1/download/initiate")]
    for method, url in routes:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
            answer = await mine.wherry.client.request(method, url, headers=headers)
            assert answer.status_code == 401, f"{method} {url} {headers}"
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["type"] == "urn:wherry:problem:unauthenticated"


async def test_a_ticket_opens_one_job_once(two_tenants: TwoTenants) -> None:
    mine, theirs = two_tenants.mine, two_tenants.theirs
    client = mine.wherry.client
    name = mine.job.metadata.name

    async def ticket(side: Side) -> dict[str, str]:
        answer = await send(side, "POST", f"/v1/download/{side.job.metadata.name}/ticket")
        assert answer.json()["expiresInSeconds"] == 60
        return {"ticket": answer.json()["ticket"]}

    for where, status in ((f"/v1/download/stream/{name}", 200), (f"/v1/download/{name}", 302)):
        once = await ticket(mine)
        assert (await client.get(where, params=once)).status_code == status
        again = await client.get(where, params=once)
        assert again.status_code == 401
        # A ticket of another tenant's job opens nothing, and is void afterwards.
        strange = await ticket(theirs)
        assert (await client.get(where, params=strange)).status_code == 401
        their_path = where.replace(name, theirs.job.metadata.name)
        assert (await client.get(their_path, params=strange)).status_code == 401
        assert (await client.get(where, params={"ticket": "x"})).status_code == 401
    if two_tenants.mode != "none":
        once = await ticket(mine)
        refused = await client.get(f"/v1/download/status/{name}", params=once)
        assert refused.status_code == 401
