"""Pages of other sites cannot use an API without authentication, by rebinding or blindly."""

import pytest

from tests.integration.api.conftest import MakeApi, RunningApi

OURS = ("localhost:3000", "127.0.0.1", "[::1]:3000", "app.localhost")
OTHERS = ("evil.example", "evil.example:3000", "127.0.0.1.evil.example", "10.1.2.3", "")


async def test_only_names_of_this_machine_are_answered(wherry: RunningApi) -> None:
    for host in OURS:
        answer = await wherry.client.get("/v1/download", headers={"Host": host})
        assert answer.status_code == 200, host
    for host in OTHERS:
        for path in ("/v1/download", "/v1/download/status/x", "/", "/docs", "/openapi.json"):
            answer = await wherry.client.get(path, headers={"Host": host})
            assert answer.status_code == 421, (host, path)
            assert answer.json()["type"] == "urn:wherry:problem:wrong-host"
            assert "WHERRY_ALLOWED_HOSTS" in answer.json()["detail"]
        assert (await wherry.client.get("/health", headers={"Host": host})).status_code == 200


async def test_another_name_by_the_settings(make_api: MakeApi) -> None:
    wherry = await make_api(allowed_hosts="files.example.com", public_url="https://a.example.com")
    for host in (*OURS, "files.example.com", "FILES.example.com:443", "a.example.com"):
        answer = await wherry.client.get("/v1/download", headers={"Host": host})
        assert answer.status_code == 200, host
    answer = await wherry.client.get("/v1/download", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "localhost, a.example.com, files.example.com" in answer.json()["detail"]


async def test_with_authentication_names_are_checked_only_by_setting(
    make_api: MakeApi,
) -> None:
    open_to_all = await make_api(auth_mode="kubernetes")
    answer = await open_to_all.client.get("/v1/download", headers={"Host": "any.example"})
    assert answer.status_code == 401
    one_name = await make_api(auth_mode="kubernetes", allowed_hosts="files.example.com")
    for host, status in (("files.example.com", 401), ("localhost", 421)):
        answer = await one_name.client.get("/v1/download", headers={"Host": host})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://evil.localhost.example", "null"]
)
async def test_pages_of_other_sites_change_nothing(wherry: RunningApi, origin: str) -> None:
    # A page can send this without a preflight request.
    answer = await wherry.client.post(
        "/v1/download/initiate", content=b'{"file_ids":[1]}', headers={"Origin": origin}
    )
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:wherry:problem:forbidden"
    assert (await wherry.client.get("/v1/download")).json()["jobs"] == []


async def test_pages_of_this_machine_and_of_allowed_origins_may_change_jobs(
    make_api: MakeApi,
) -> None:
    wherry = await make_api(cors_origins="https://app.example.com")
    for origin in ("http://localhost:5173", wherry.url, "https://app.example.com"):
        answer = await wherry.client.post(
            "/v1/download/initiate", json={"file_ids": [1]}, headers={"Origin": origin}
        )
        assert answer.status_code == 200, origin
