"""Reads an identity provider's discovery document and keys."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from wherry_api.settings import provider_url_fault
from wherry_core.http_proxy import proxy_for

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 1_048_576
"""Limit for one document, so that an endless answer does not fill the memory."""


async def fetch_json(url: str, *, allow_http: bool = False) -> Mapping[str, Any]:
    """Return the JSON object at ``url``. Raises OSError (TimeoutError included) or ValueError.

    Follows no redirect: it could lead to plain http, or into the cluster's network.
    """
    if fault := provider_url_fault(url, allow_http=allow_http):
        raise ValueError(f"{url} is not read: it {fault}")
    target = URL(url)
    try:
        # Not decompressed, because a small answer may expand to a large one. The proxy is looked up
        # here, because aiohttp would also read passwords for the host from netrc.
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), auto_decompress=False
            ) as session,
            session.get(
                target,
                allow_redirects=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                proxy=proxy_for(target.scheme, target.authority),
            ) as response,
        ):
            if response.status != 200:
                raise ValueError(f"{url} answered {response.status}")
            return _object(await _content(response, url), url)
    except aiohttp.ClientError as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error


async def _content(response: aiohttp.ClientResponse, url: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_BYTES:
            raise ValueError(f"{url} answered with more than {MAX_BYTES} bytes")
    return bytes(content)


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{url} holds no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{url} holds no JSON object")
    return document
