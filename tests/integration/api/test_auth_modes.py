"""Each auth mode's own rules."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import tenants
from tests.harness.api import Api
from tests.harness.fixtures import NamespaceFactory
from tests.integration.api.conftest import MakeApi, RunningApi
from tests.integration.api.identity_provider import (
    AUDIENCE,
    IdentityProvider,
    identity_provider,
)
from tests.integration.api.test_tenants import USER_RULES, audience_token
from wherry_api.auth import api_keys, oidc
from wherry_api.auth.api_keys import make_key

LIST = "/v1/download"


async def get(wherry: RunningApi, secret: str, **headers: str) -> Any:
    return await wherry.client.get(LIST, headers={"Authorization": f"Bearer {secret}", **headers})


async def test_kubernetes_audience_and_rights(
    make_api: MakeApi, api: Api, make_namespace: NamespaceFactory
) -> None:
    mine, other = await make_namespace(), await make_namespace()
    wherry = await make_api(auth_mode="kubernetes", tenant_namespaces=("*",))
    for name in (mine, other):
        await tenants.create_service_account(api, name, "user")
    await tenants.grant(api, (mine, "user"), USER_RULES, namespace=mine)
    reading = [{**USER_RULES[0], "verbs": ["get", "list"]}]
    await tenants.grant(api, (mine, "user"), reading, namespace=other)
    token = await audience_token(api, mine)
    assert (await get(wherry, token)).status_code == 200
    assert (await get(wherry, token, **{"Wherry-Tenant": other})).status_code == 200
    made = await wherry.client.post(
        "/v1/download/initiate",
        json={"file_ids": [1]},
        headers={"Authorization": f"Bearer {token}", "Wherry-Tenant": other},
    )
    assert (made.status_code, made.json()["type"]) == (403, "urn:wherry:problem:forbidden")
    assert (await get(wherry, token, **{"Wherry-Tenant": "kube-system"})).status_code == 403
    assert (await get(wherry, token, **{"Wherry-Tenant": "No/Name"})).status_code == 403
    assert (await get(wherry, await audience_token(api, other))).status_code == 403
    for_others = await audience_token(api, mine, "someone-else")
    assert (await get(wherry, for_others)).status_code == 401
    for_the_api_server = await tenants.request_token(api, mine, "user")
    assert (await get(wherry, for_the_api_server)).status_code == 401


async def test_kubernetes_serves_its_tenants_only(
    make_api: MakeApi, api: Api, make_namespace: NamespaceFactory
) -> None:
    mine = await make_namespace()
    wherry = await make_api(auth_mode="kubernetes", tenant_namespaces=("elsewhere",))
    await tenants.create_service_account(api, mine, "user")
    await tenants.grant(api, (mine, "user"), USER_RULES, namespace=mine)
    assert (await get(wherry, await audience_token(api, mine))).status_code == 403


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    async with identity_provider() as running:
        yield running


@pytest.fixture
async def oidc_api(make_api: MakeApi, provider: IdentityProvider) -> RunningApi:
    return await make_api(auth_mode="oidc", oidc_issuer=provider.issuer, oidc_audience=AUDIENCE)


async def test_oidc_tokens(
    oidc_api: RunningApi, provider: IdentityProvider, namespace: str
) -> None:
    async def status(**claims: Any) -> int:
        token = provider.token("first", **{"tenant": namespace, **claims})
        return int((await get(oidc_api, token)).status_code)

    assert await status() == 200
    assert provider.reads == 1
    assert await status(aud=["other", AUDIENCE]) == 200
    for wrong in (
        {"aud": "other"},
        {"aud": None},
        {"iss": "https://elsewhere.example.com"},
        {"iss": None},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"tenant": None},
        {"tenant": 5},
        {"tenant": "../x"},
        {"algorithm": "RS512"},
    ):
        assert await status(**wrong) == 401, wrong
    assert await status(tenant="kube-system") == 403
    provider.rotate("stranger")
    provider.served = ["first"]
    stranger = provider.token("stranger", tenant=namespace)
    assert (await get(oidc_api, stranger)).status_code == 401
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4In0."
    assert (await get(oidc_api, none)).status_code == 401


async def test_oidc_keys_rotate(
    oidc_api: RunningApi,
    provider: IdentityProvider,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oidc, "UNKNOWN_KEY_SECONDS", 0.0)
    old = provider.token("first", tenant=namespace)
    assert (await get(oidc_api, old)).status_code == 200
    provider.rotate("second")
    new = provider.token("second", tenant=namespace)
    assert (await get(oidc_api, new)).status_code == 200
    assert (await get(oidc_api, old)).status_code == 401


async def test_oidc_without_its_provider(make_api: MakeApi, provider: IdentityProvider) -> None:
    wherry = await make_api(
        auth_mode="oidc",
        oidc_issuer="http://127.0.0.1:9",
        oidc_audience=AUDIENCE,
    )
    answer = await get(wherry, provider.token("first", tenant="x"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_api_keys_rotate(
    make_api: MakeApi, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "REREAD_SECONDS", 0.0)
    file = tmp_path / "keys"
    old, old_line = make_key(namespace)
    new, new_line = make_key(namespace)
    file.write_text(old_line)
    wherry = await make_api(auth_mode="api-keys", api_keys_file=str(file))
    assert (await get(wherry, old)).status_code == 200
    assert (await get(wherry, new)).status_code == 401
    file.write_text(f"{old_line}\n{new_line}\n")
    assert [(await get(wherry, key)).status_code for key in (old, new)] == [200, 200]
    file.write_text(new_line)
    assert [(await get(wherry, key)).status_code for key in (old, new)] == [401, 200]
    file.write_text("nonsense")
    assert (await get(wherry, new)).status_code == 200
    by_header = await wherry.client.get(LIST, headers={"X-API-Key": new})
    assert by_header.status_code == 200
    assert (await get(wherry, new[:-1] + ("A" if new[-1] != "A" else "B"))).status_code == 401


async def test_api_keys_of_tenants_that_are_not_served(make_api: MakeApi, tmp_path: Path) -> None:
    key, line = make_key("kube-system")
    (tmp_path / "keys").write_text(line)
    wherry = await make_api(auth_mode="api-keys", api_keys_file=str(tmp_path / "keys"))
    assert (await get(wherry, key)).status_code == 403
