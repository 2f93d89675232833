"""The client against a real HTTP server on loopback that answers as an API server may."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from wherry_core.kubernetes import client as kubernetes
from wherry_core.kubernetes.client import KubernetesClient, connect
from wherry_core.kubernetes.errors import (
    CredentialsError,
    UnauthorizedError,
    UnavailableError,
)

Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def api_server(handler: Handler) -> AsyncIterator[str]:
    """Serve every path by ``handler``; yield the URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a kubeconfig for a server and a user, and name it in the environment."""

    def write(server: str, user: dict[str, Any]) -> Path:
        path = tmp_path / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": server}}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        monkeypatch.setenv("KUBECONFIG", str(path))
        return path

    return write


@asynccontextmanager
async def connected(url: str, kubeconfig: Callable[..., Path]) -> AsyncIterator[KubernetesClient]:
    kubeconfig(url, {"token": "t"})
    async with await connect() as client:
        yield client


async def test_requests_carry_query_body_and_token(kubeconfig: Callable[..., Path]) -> None:
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(
            method=request.method,
            path=request.raw_path,
            type=request.headers.get("content-type"),
            token=request.headers.get("authorization"),
            body=await request.json(),
        )
        return web.json_response({"kind": "Done"})

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        answered = await client.request("POST", "/apis/x", query={"a": "b c"}, body={"k": 1})
    assert answered == {"kind": "Done"}
    assert seen == {
        "method": "POST",
        "path": "/apis/x?a=b+c",
        "type": "application/json",
        "token": "Bearer t",
        "body": {"k": 1},
    }


@pytest.mark.parametrize(
    ("patch", "content_type"),
    [
        ({"a": None}, "application/merge-patch+json"),
        ([{"op": "test", "path": "/a", "value": 1}], "application/json-patch+json"),
    ],
)
async def test_the_kind_of_a_patch_follows_from_its_shape(
    kubeconfig: Callable[..., Path], patch: Any, content_type: str
) -> None:
    types = []

    async def answer(request: web.Request) -> web.Response:
        types.append(request.headers["content-type"])
        return web.json_response({})

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        await client.patch("/apis/x", patch)
    assert types == [content_type]


async def test_a_page_of_a_proxy_is_no_answer(kubeconfig: Callable[..., Path]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<html>welcome</html>", content_type="text/html")

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        with pytest.raises(UnavailableError):
            await client.request("GET", "/api/v1/pods")


async def test_retry_after_reaches_the_caller(kubeconfig: Callable[..., Path]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers={"Retry-After": "7"})

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        with pytest.raises(UnavailableError) as raised:
            await client.request("GET", "/api/v1/pods")
    assert raised.value.retry_after_seconds == 7.0


async def test_no_answer_in_time_is_unavailable(kubeconfig: Callable[..., Path]) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.json_response({})

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        with pytest.raises(UnavailableError) as raised:
            await client.request("GET", "/api/v1/pods", timeout_seconds=0.05)
    assert raised.value.status == 0


async def test_a_rotated_token_is_read_again_when_the_old_one_is_refused(
    kubeconfig: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "CREDENTIALS_SECONDS", 0.0)
    token = tmp_path / "token"
    token.write_text("old")
    valid = "old"

    async def answer(request: web.Request) -> web.Response:
        good = request.headers.get("authorization") == f"Bearer {valid}"
        return web.json_response({}, status=200 if good else 401)

    async with api_server(answer) as url:
        kubeconfig(url, {"tokenFile": str(token)})
        async with await connect() as client:
            await client.request("GET", "/api/v1/pods")
            valid = "new"
            token.write_text("new")
            await client.request("GET", "/api/v1/pods")


async def test_a_client_certificate_that_is_being_replaced_is_a_passing_error(
    kubeconfig: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "CREDENTIALS_SECONDS", 0.0)
    kubeconfig("https://cluster.test", {"token": "t"})
    async with await connect() as client:
        half_written = tmp_path / "certificate"
        half_written.write_text("-----BEGIN")
        names = {"client-certificate": str(half_written), "client-key": str(half_written)}
        kubeconfig("https://cluster.test", names)
        with pytest.raises(UnavailableError):
            await client.refresh_credentials()


async def test_the_refusal_of_a_proxy_does_not_show_its_password(
    kubeconfig: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
        kubeconfig("https://cluster.test", {"token": "t"})
        async with await connect() as client:
            with pytest.raises(UnavailableError, match="407 Proxy Auth") as raised:
                await client.request("GET", "/api/v1/pods")
    shown = "".join(traceback.format_exception(raised.value))
    assert "secret" not in shown


async def test_credentials_that_stay_refused_are_read_once(
    kubeconfig: Callable[..., Path],
) -> None:
    requests = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        return web.json_response({}, status=401)

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        for _ in range(3):
            with pytest.raises(UnauthorizedError):
                await client.request("GET", "/api/v1/pods")
    # The credentials are younger than five seconds: they are not read again.
    assert requests == 3


async def test_an_exec_plugin_gives_the_token(
    kubeconfig: Callable[..., Path], tmp_path: Path
) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("authorization"))
        return web.json_response({})

    async with api_server(answer) as url:
        kubeconfig(
            url,
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": str(plugin),
                    "interactiveMode": "Never",
                }
            },
        )
        async with await connect() as client:
            await client.request("GET", "/api/v1/pods")
    assert seen == ["Bearer from-plugin"]


async def test_the_clock_follows_the_date_header(kubeconfig: Callable[..., Path]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, headers={"Date": "Fri, 01 Jan 2100 00:00:00 GMT"})

    async with api_server(answer) as url, connected(url, kubeconfig) as client:
        await client.request("GET", "/api/v1/pods")
        assert client.clock.now().isoformat()[:16] in {"2099-12-31T23:59", "2100-01-01T00:00"}


@pytest.mark.parametrize("content", ["", "not: [yaml", "a: 1", "secret-word"])
async def test_an_unusable_kubeconfig_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(CredentialsError) as raised:
        await connect()
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "secret-word" not in str(raised.value)


async def test_a_missing_kubeconfig_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(CredentialsError, match="Set KUBECONFIG"):
        await connect()


async def test_a_pod_without_a_token_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(CredentialsError, match="service account"):
        await connect()
