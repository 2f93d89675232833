"""AWS Signature Version 4 for single S3 requests, with the body left out of the signature.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. Written here
because botocore's signer costs more time for a small object than all the rest of a request (see
docs/performance.md); a test compares the two.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
SAFE: Final = "-_.~"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs requests."""

    access_key: str
    secret_key: str
    token: str | None = None


def quote_key(key: str) -> str:
    """Return an object key as a URL path: S3 quotes once, and never resolves dots."""
    return quote(key, safe=SAFE + "/")


def query_string(query: Sequence[tuple[str, str]]) -> str:
    """Return a query in the canonical form: sorted and quoted."""
    return "&".join(
        f"{quote(name, safe=SAFE)}={quote(value, safe=SAFE)}" for name, value in sorted(query)
    )


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@lru_cache(maxsize=16)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = _digest(f"AWS4{secret_key}".encode(), day)
    for text in (region, "s3", "aws4_request"):
        key = _digest(key, text)
    return key


def sign(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    credentials: Credentials,
    region: str,
    moment: datetime,
) -> dict[str, str]:
    """Return ``headers`` with those that make the request authentic.

    ``path`` and ``query`` are quoted already. Every header given is signed; names are lower case.
    """
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    signed = {
        **headers,
        "host": host,
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-date": stamp,
    }
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    listed = ";".join(names)
    lines = "".join(f"{name}:{signed[name]}\n" for name in names)
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{listed}\n{UNSIGNED}"
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
    key = _signing_key(credentials.secret_key, stamp[:8], region)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
        f"SignedHeaders={listed},Signature={signature}"
    )
    return signed
