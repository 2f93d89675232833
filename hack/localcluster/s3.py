"""Signed requests to an S3 store (AWS signature, version 4)."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

REGION = "us-east-1"


@dataclass(frozen=True)
class Answer:
    """The store's response."""

    status: int
    body: bytes


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(
    method: str,
    host: str,
    path: str,
    *,
    access_key: str,
    secret_key: str,
    body_hash: str,
    moment: datetime.datetime,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers that sign a request. `path` is quoted; there is no query."""
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    every = {name.lower(): value for name, value in (headers or {}).items()}
    every |= {"host": host, "x-amz-content-sha256": body_hash, "x-amz-date": stamp}
    names = ";".join(sorted(every))
    canonical_headers = "".join(f"{name}:{every[name]}\n" for name in sorted(every))
    canonical = "\n".join([method, path, "", canonical_headers, names, body_hash])
    scope = f"{day}/{REGION}/s3/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashed])
    key = _digest(f"AWS4{secret_key}".encode(), day)
    for part in (REGION, "s3", "aws4_request"):
        key = _digest(key, part)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={access_key}/{scope}"
    every["authorization"] = (
        f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    )
    return every


def request(
    method: str,
    endpoint: str,
    path: str,
    *,
    access_key: str,
    secret_key: str,
    body: bytes = b"",
    timeout: float = 30.0,
) -> Answer:
    """Send one signed request, such as PUT /bucket or PUT /bucket/key."""
    address = urlsplit(endpoint)
    quoted = quote(path, safe="/-_.~")
    headers = sign(
        method,
        address.netloc,
        quoted,
        access_key=access_key,
        secret_key=secret_key,
        body_hash=hashlib.sha256(body).hexdigest(),
        moment=datetime.datetime.now(datetime.UTC),
    )
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request(method, quoted, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    finally:
        connection.close()
