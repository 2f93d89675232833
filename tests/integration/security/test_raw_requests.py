"""HTTP that no client library sends: an ambiguous request is refused and its connection closed."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from tests.integration.security.conftest import Siege

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/download/initiate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}  ",
    "a signed length": POST + b"Content-Length: +4\r\n\r\n{}  ",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length of letters": POST + b"Content-Length: 0x4\r\n\r\n{}  ",
    "a huge length": POST + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks that are not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a NUL in a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    "a bare CR in a header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b: c\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
"""Requests that one server could read as one request and another as two."""


async def exchange(siege: Siege, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back until the server closes."""
    parts = urlsplit(str(siege.client.base_url))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(sent)
        await writer.drain()
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_what_is_not_one_clear_request_is_refused_and_nothing_after_it_served(
    siege: Siege,
) -> None:
    for what, sent in AMBIGUOUS.items():
        answer = await exchange(siege, sent + SECOND)
        assert answer.startswith(b"HTTP/1.1 4"), (what, answer)
        statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert len(statuses) == 1, (what, statuses)
        assert b"smuggled" not in answer, what
    assert (await siege.client.get("/health")).status_code == 200
    assert await siege.api.list_all("wherry.dev/v1/downloadjobs", siege.namespace) == []
    assert siege.entries() is not None


HOSTILE_PATHS = (
    "/v1/download/status/..%2f..%2fdefault%2fsecrets",
    "/v1/download/status/%2e%2e",
    "/v1/download/a%0d%0aSet-Cookie:%20x=1",
    "/v1/download/stream/%00",
    "/v1/download/stream/a%0a{%22level%22:%22error%22,%22message%22:%22forged%22}",
    "/v1/download/%1b[2J/details",
    "/v1/download/%E2%80%AEgnp",
    "/v1/download/%ff%fe",
    "/v1/download/{id}",
    "/v1/download/" + "x" * 20_000,
    "/v1/download?cursor=%0d%0aX:%201&status=queued",
    "/v1/download?cursor=" + "y" * 20_000,
    "/v1/download?limit=-1",
    "/v1/download?limit=99999999999999999999",
    "/v1/download?status=completed,metadata.name!=x",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%5c..%5cetc%5cpasswd",
    "//elsewhere.example/v1/download",
    "/docs/../../etc/passwd",
    "/static/..%2f..%2f__main__.py",
)
HOSTILE_BODIES: tuple[Any, ...] = (
    {"file_ids": ["a\n{}"]},
    {"file_ids": ["\u202e"], "archiveName": "\r\nSet-Cookie: x=1"},
    {"file_ids": [1], "jobId": "../../kube-system/secrets"},
    {"file_ids": [1], "\x1b[2J": 1},
    {"file_ids": [1], "__proto__": {}},
    {"file_ids": {"$ne": None}},
    [[[[[[[[[[]]]]]]]]]],
)


async def test_hostile_requests_get_a_problem_and_leave_harmless_log_lines(siege: Siege) -> None:
    for path in HOSTILE_PATHS:
        for method in ("GET", "DELETE"):
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await exchange(siege, head.encode())
            assert answer.startswith(b"HTTP/1.1 4"), (method, path, answer[:300])
            headers = answer.partition(b"\r\n\r\n")[0].lower()
            assert b"set-cookie" not in headers, path
            assert b"location" not in headers, path
            assert b"root:" not in answer, path
    for body in HOSTILE_BODIES:
        reply = await siege.client.post("/v1/download/initiate", json=body)
        assert reply.status_code in {200, 400, 422}, (body, reply.text)
        assert "set-cookie" not in reply.headers
    deep = b"[" * 200_000
    reply = await siege.client.post(
        "/v1/download/initiate", content=deep, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 400
    entries = siege.entries()
    assert not [entry for entry in entries if entry["message"] == "forged"]
    assert not [entry for entry in entries if entry["level"] in {"error", "critical"}], entries


async def test_every_answer_carries_the_headers_that_keep_a_browser_in_bounds(
    siege: Siege,
) -> None:
    for path in ("/", "/docs", "/v1/download", "/health", "/nothing"):
        answer = await siege.client.get(path, headers={"Origin": "https://elsewhere.example"})
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["x-frame-options"] == "DENY", path
        assert "server" not in answer.headers, path
        assert "access-control-allow-origin" not in answer.headers, path
        if "text/html" in answer.headers["content-type"]:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "script-src 'self'" in policy, path
            assert "unsafe-eval" not in policy, path
