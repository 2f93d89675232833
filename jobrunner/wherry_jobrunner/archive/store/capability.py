"""Finds out whether a store copies ranges into an upload itself, and checks their ETag."""

import asyncio
import logging
import zlib
from dataclasses import dataclass
from typing import Any, Final

from cachetools import TTLCache

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store.multipart_upload import (
    CopyFailedError,
    Upload,
    abort_or_report,
    begin,
    copy_part,
    list_parts,
)
from wherry_jobrunner.archive.store.objects import SourceObject
from wherry_jobrunner.archive.store.requests import StoreRequests

logger = logging.getLogger(__name__)

PROBE_BYTES: Final = 4_096
PROBE_PLAN: Final = "probe"
WRONG_ETAG: Final = '"00000000000000000000000000000000"'
KEPT_SECONDS: Final = 3_600.0
MAX_STORES: Final = 16


@dataclass(frozen=True, slots=True)
class CopyCapability:
    """The result of probing a store."""

    copies: bool
    """It copies exactly the requested range, and refuses to when the ETag is another."""
    returns_crc32: bool
    """It returns the CRC-32 of what it copied."""
    why: str
    """In a few words, for the log."""


class Capabilities:
    """What this process knows about stores: each is probed once an hour, one probe at a time."""

    def __init__(self) -> None:
        self._known: TTLCache[tuple[str, str, str, bool], CopyCapability] = TTLCache(
            MAX_STORES, KEPT_SECONDS
        )
        self._probing: dict[tuple[str, str, str, bool], asyncio.Lock] = {}

    async def of(
        self,
        client: Any,
        requests: StoreRequests,
        source_bucket: str,
        source: SourceObject,
        bucket: str,
        key: str,
        *,
        with_crc32: bool,
        job: str,
    ) -> CopyCapability:
        """Return what the store can do; ``source`` is a real object, ``key`` may be written to.

        Nothing is stored: the probe's upload, with or without CRC-32 as the archive's, is aborted.
        """
        store = (str(client.meta.endpoint_url), source_bucket, bucket, with_crc32)
        lock = self._probing.setdefault(store, asyncio.Lock())
        async with lock:
            known = self._known.get(store)
            if known is not None:
                return known
            upload = await begin(client, bucket, key, PROBE_PLAN, with_crc32=with_crc32)
            try:
                capability = await _probe(client, requests, source_bucket, source, upload)
            finally:
                await abort_or_report(client, upload, job)
            self._known[store] = capability
            logger.info(
                "the store %s parts by itself (%s)",
                "copies" if capability.copies else "does not copy",
                capability.why,
            )
            return capability


async def _probe(
    client: Any, requests: StoreRequests, bucket: str, source: SourceObject, upload: Upload
) -> CopyCapability:
    size = min(PROBE_BYTES, source.size - 1)
    piece = {"start": 1, "size": size, "number": 1}
    try:
        stored = await copy_part(client, upload, bucket, source, **piece)
    except CopyFailedError as error:
        return CopyCapability(copies=False, returns_crc32=False, why=f"it answers {error}")
    expected = bytearray(size)
    await requests.read_into(bucket, source, 1, memoryview(expected))
    if stored.crc32 is not None and stored.crc32 != zlib.crc32(expected):
        return CopyCapability(copies=False, returns_crc32=False, why="it copies other bytes")
    try:
        listed = await list_parts(client, upload)
    except ArchiveError as error:
        if error.reason not in {"StoreAccessDenied", "StoreRefused"}:
            raise
        # A store that copied more than the range could not be noticed.
        why = f"its parts cannot be listed: {error.reason}"
        return CopyCapability(copies=False, returns_crc32=False, why=why)
    if [copied for _, copied in listed.values()] != [size]:
        return CopyCapability(copies=False, returns_crc32=False, why="it copies another range")
    replaced = SourceObject(
        source.file_id, source.key, source.name, source.size, WRONG_ETAG, source.modified
    )
    try:
        await copy_part(client, upload, bucket, replaced, **piece)
    except ArchiveError as error:
        if error.reason != "SourceChanged":
            # It was not refused because of the ETag.
            return CopyCapability(
                copies=False, returns_crc32=False, why=f"it answers {error.reason}"
            )
        returns_crc32 = stored.crc32 is not None
        why = "with their CRC-32" if returns_crc32 else "without their CRC-32"
        return CopyCapability(copies=True, returns_crc32=returns_crc32, why=why)
    except CopyFailedError as error:
        return CopyCapability(copies=False, returns_crc32=False, why=f"it answers {error}")
    return CopyCapability(copies=False, returns_crc32=False, why="it ignores the ETag")


CAPABILITIES: Final = Capabilities()
"""The capabilities that this process knows."""
