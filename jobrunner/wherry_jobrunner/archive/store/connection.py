"""Signed connections to the store: where a bucket is, who signs, and the HTTP session.

The data path (HEAD, ranged GET, part PUT) has a client of its own, because one request of
aiobotocore costs about a millisecond of Python: for thousands of small objects that, and not the
network, would be the limit (docs/performance.md has the measurements). aiobotocore stays the client
for everything rare.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from wherry_core.http_proxy import proxy_for
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.archive.store.retries import PASSING_STATUSES, PassingStatusError
from wherry_jobrunner.archive.store.signing import Credentials, query_string, quote_key, sign

CREDENTIALS_SECONDS: Final = 30.0
"""Seconds for which credentials are used before the credential chain is asked again."""
READ_BUFFER: Final = 1 << 17
BYTES_PER_CONNECTION: Final = 2 * READ_BUFFER + (1 << 18)
"""Bytes that the buffers of one connection can hold: reading stops at twice the buffer's size,
and the event loop reads up to 256 KiB at once."""
CONNECT_TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a bucket: scheme and host, the host to sign, the path before every key."""

    origin: str
    host: str
    prefix: str
    proxy: str | None = None
    """URL of the proxy that the environment names for this host, or None."""


async def address_of(client: Any, bucket: str) -> Address:
    """Return the address of ``bucket``.

    It is taken from a URL that ``client`` signs, because the client knows addressing styles,
    regions and special endpoints.
    """
    url = await client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"})
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    proxy = proxy_for(parts.scheme, parts.netloc)
    return Address(origin, parts.netloc, parts.path.removesuffix("x"), proxy)


class Connection:
    """Sends signed requests to one store; made by ``open_connection``."""

    def __init__(
        self, session: aiohttp.ClientSession, client: Any, addresses: Mapping[str, Address]
    ) -> None:
        self._session = session
        self._client = client
        self._addresses = addresses
        self._region: str = client.meta.region_name
        self._credentials: Credentials | None = None
        self._credentials_until = 0.0

    @asynccontextmanager
    async def request(
        self,
        method: str,
        bucket: str,
        key: str,
        headers: dict[str, str],
        query: Sequence[tuple[str, str]] = (),
        body: AsyncIterator[bytes | memoryview] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the response to one signed request; its body is not read yet.

        Raises PassingStatusError for a status that asks for a retry, ArchiveError without
        credentials, and the errors of aiohttp.
        """
        address = self._addresses[bucket]
        path = address.prefix + quote_key(key)
        text = query_string(query)
        credentials = await self._current_credentials()
        now = datetime.now(UTC)
        signed = sign(method, address.host, path, text, headers, credentials, self._region, now)
        url = URL(f"{address.origin}{path}?{text}" if text else address.origin + path, encoded=True)
        async with self._session.request(
            method, url, headers=signed, data=body, allow_redirects=False, proxy=address.proxy
        ) as response:
            if response.status in PASSING_STATUSES:
                raise PassingStatusError(response.status, response.headers.get("Retry-After"))
            yield response

    async def _current_credentials(self) -> Credentials:
        now = time.monotonic()
        if self._credentials is None or now > self._credentials_until:
            held = self._client._get_credentials()
            if held is None:
                raise ArchiveError(
                    "NoStoreCredentials",
                    "The runner has no credentials for the store. Set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, or give its service account an identity.",
                    retryable=False,
                )
            frozen = await held.get_frozen_credentials()
            self._credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
            self._credentials_until = now + CREDENTIALS_SECONDS
        return self._credentials


@asynccontextmanager
async def open_connection(
    client: Any, buckets: Sequence[str], settings: ArchiveSettings
) -> AsyncIterator[Connection]:
    """Yield a connection to the store of ``client``, for requests to ``buckets``."""
    addresses = {bucket: await address_of(client, bucket) for bucket in set(buckets)}
    connector = aiohttp.TCPConnector(
        limit=settings.connections, ttl_dns_cache=60, keepalive_timeout=15
    )
    timeout = aiohttp.ClientTimeout(
        total=None,
        sock_connect=CONNECT_TIMEOUT_SECONDS,
        sock_read=settings.request_timeout_seconds,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        # An object stored compressed must go into the archive as it is.
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        read_bufsize=READ_BUFFER,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Connection(session, client, addresses)
