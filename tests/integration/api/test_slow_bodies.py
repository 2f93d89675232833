"""One tenant's slow uploads do not refuse the requests of another."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness.fixtures import NamespaceFactory
from tests.integration.api.conftest import MakeApi, RunningApi
from wherry_api.auth.api_keys import make_key
from wherry_api.http.request_bodies import LONG_BYTES

LONG_BODY = json.dumps({"file_ids": ["x" * 200 + str(number) for number in range(1_000)]})


@asynccontextmanager
async def uploads(wherry: RunningApi, key: str, count: int, sent: bytes) -> AsyncIterator[None]:
    """Hold ``count`` chunked uploads open of which ``sent`` has arrived."""
    url = urlsplit(wherry.url)
    head = (
        "POST /v1/download/initiate HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    writers = []
    for _ in range(count):
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(head.encode() + sent)
        await writer.drain()
        writers.append(writer)
    await asyncio.sleep(0.3)
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.parametrize(
    ("count", "sent"),
    [
        (8, b""),
        (100, b""),
        (30, b"%x\r\n%s\r\n" % (LONG_BYTES + 1, b" " * (LONG_BYTES + 1))),
    ],
)
async def test_another_tenant_is_served(
    make_api: MakeApi, make_namespace: NamespaceFactory, tmp_path: Path, count: int, sent: bytes
) -> None:
    tenants = [await make_namespace("slow"), await make_namespace("other")]
    keys, lines = zip(*(make_key(tenant) for tenant in tenants), strict=True)
    (tmp_path / "keys").write_text("\n".join(lines))
    wherry = await make_api(
        auth_mode="api-keys",
        api_keys_file=str(tmp_path / "keys"),
        tenant_namespaces=tuple(tenants),
    )
    async with uploads(wherry, keys[0], count, sent):
        answers = [
            await wherry.client.post(
                "/v1/download/initiate",
                content=LONG_BODY,
                headers={"Authorization": f"Bearer {keys[1]}", "Content-Type": "application/json"},
            )
            for _ in range(10)
        ]
    assert {answer.status_code for answer in answers} == {200}
