"""The requests of the data path: HEAD, ranged GET, and PUT of a part, each with its retries."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp

from wherry_jobrunner.archive import metrics
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.archive.store.connection import Connection, open_connection
from wherry_jobrunner.archive.store.errors import refused, source_changed, upload_lost
from wherry_jobrunner.archive.store.objects import (
    ObjectHead,
    SourceObject,
    decode_crc32,
    encode_crc32,
    head_of,
)
from wherry_jobrunner.archive.store.retries import (
    PASSING,
    PassingStatusError,
    TruncatedError,
    retried,
    wait_or_give_up,
)

PASSING_CODES: Final = (
    "BadDigest",
    "InvalidDigest",
    "IncompleteBody",
    "RequestTimeout",
    "XAmzContentChecksum",
)

Item = TypeVar("Item")
Body = Callable[[], AsyncIterator[bytes | memoryview]]


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part that the store has."""

    number: int
    etag: str
    size: int
    crc32: int | None
    """CRC-32 that the store computed, or None where it returns none."""


class StoreRequests:
    """Signed requests to one store; made by ``open_requests``."""

    def __init__(self, connection: Connection, attempts: int) -> None:
        self._connection = connection
        self._attempts = attempts
        self.on_read: Callable[[int], None] = _ignore
        """Called with the number of bytes whenever some of a source have come in."""

    async def head(self, bucket: str, key: str) -> ObjectHead | None:
        """Return the head of an object, or None when it does not exist."""
        what = f"look up the object {key!r}"

        async def once() -> ObjectHead | None:
            headers = {"x-amz-checksum-mode": "ENABLED"}
            async with self._connection.request("HEAD", bucket, key, headers) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise refused(response.status, what)
                head = head_of(response.headers)
                if head is None:
                    raise refused(response.status, "report an object's ETag and size")
                return head

        return await retried(once, self._attempts, what)

    async def lacks_bucket(self, bucket: str, key: str) -> bool:
        """Return whether an object was not found because its bucket does not exist.

        Only the answer to a GET has a body with the reason.
        """
        what = f"read {key!r}"
        headers = {"range": "bytes=0-0"}

        async def once() -> bool:
            async with self._connection.request("GET", bucket, key, headers) as response:
                return response.status == 404 and b"NoSuchBucket" in await response.read()

        return await retried(once, self._attempts, what)

    async def read_into(
        self, bucket: str, source: SourceObject, start: int, view: memoryview
    ) -> None:
        """Fill ``view`` with the bytes of ``source`` from ``start``; a retry goes on mid-way.

        Raises ArchiveError: SourceChanged when the object is no longer the one that was planned.
        """
        done = 0

        async def once() -> None:
            nonlocal done
            async with self._get(bucket, source, start + done, len(view) - done) as response:
                async for chunk in response.content.iter_any():
                    if done + len(chunk) > len(view):
                        raise TruncatedError("the body is too long")
                    view[done : done + len(chunk)] = chunk
                    done += len(chunk)
                    self._count_read(len(chunk))
                if done < len(view):
                    raise TruncatedError("the body is too short")

        await retried(once, self._attempts, f"read {source.key!r}")

    async def read(
        self, bucket: str, source: SourceObject, start: int, size: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield ``size`` bytes of ``source`` from ``start``; a retry goes on mid-way."""
        done = 0
        for attempt in range(self._attempts):
            try:
                async with self._get(bucket, source, start + done, size - done) as response:
                    async for chunk in response.content.iter_any():
                        if done + len(chunk) > size:
                            raise TruncatedError("the body is too long")
                        done += len(chunk)
                        self._count_read(len(chunk))
                        yield chunk
                    if done == size:
                        return
                    raise TruncatedError("the body is too short")
            except PASSING as error:
                await wait_or_give_up(attempt, self._attempts, error, f"read {source.key!r}")

    async def put_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        size: int,
        body: Body,
        *,
        crc32: int | None = None,
        md5: bytes | None = None,
    ) -> StoredPart:
        """Upload one part; ``body`` is called again for every try.

        With ``crc32`` or ``md5`` the store refuses bytes that were damaged on the way.
        """
        headers = {"content-length": str(size)}
        if crc32 is not None:
            headers["x-amz-checksum-crc32"] = encode_crc32(crc32)
        if md5 is not None:
            headers["content-md5"] = base64.b64encode(md5).decode()
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        what = "write a part of the archive"

        async def once() -> StoredPart:
            async with self._connection.request(
                "PUT", bucket, key, headers, query, body()
            ) as response:
                text = await response.text(errors="replace")
                if response.status == 200:
                    metrics.WRITTEN.inc(size)
                    stored = decode_crc32(response.headers.get("x-amz-checksum-crc32"))
                    return StoredPart(number, response.headers["ETag"], size, stored)
                if response.status == 404 or "NoSuchUpload" in text:
                    raise upload_lost()
                if any(code in text for code in PASSING_CODES):
                    raise PassingStatusError(response.status)
                raise refused(response.status, what)

        return await retried(once, self._attempts, what)

    def _count_read(self, size: int) -> None:
        metrics.READ.inc(size)
        self.on_read(size)

    @asynccontextmanager
    async def _get(
        self, bucket: str, source: SourceObject, start: int, size: int
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"if-match": source.etag}
        whole = start == 0 and size == source.size
        if not whole:
            headers["range"] = f"bytes={start}-{start + size - 1}"
        async with self._connection.request("GET", bucket, source.key, headers) as response:
            if response.status in {404, 412, 416}:
                raise source_changed(source)
            if response.status != (200 if whole else 206):
                raise refused(response.status, f"read the object {source.key!r}")
            # Some stores ignore If-Match, and a proxy may drop it.
            if not same_version(response.headers.get("ETag", ""), source.etag):
                raise source_changed(source)
            yield response


@asynccontextmanager
async def open_requests(
    client: Any, buckets: Sequence[str], settings: ArchiveSettings
) -> AsyncIterator[StoreRequests]:
    """Yield requests to the store of ``client``, for ``buckets``."""
    async with open_connection(client, buckets, settings) as connection:
        yield StoreRequests(connection, settings.attempts)


async def for_each(
    items: Sequence[Item], work: Callable[[Item], Awaitable[None]], concurrency: int
) -> None:
    """Call ``work`` for every item, ``concurrency`` of them at a time.

    The first error ends all the others and is raised.
    """
    queue = iter(items)

    async def take() -> None:
        for item in queue:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(items))):
                group.create_task(take())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors


def same_version(etag: str, other: str) -> bool:
    """Return whether two ETags name the same version of an object."""
    return _bare(etag) == _bare(other)


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _ignore(_size: int) -> None:
    """Do nothing: the default of ``on_read``."""
