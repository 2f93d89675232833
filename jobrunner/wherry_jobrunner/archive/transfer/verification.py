"""Checks a stored archive before its job is completed."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from wherry_jobrunner.archive.plan.plan import Part, Plan
from wherry_jobrunner.archive.store.errors import archive_wrong, source_changed
from wherry_jobrunner.archive.store.multipart_upload import MD5_ETAG, Upload, as_archive_error
from wherry_jobrunner.archive.store.objects import SourceObject, decode_crc32, encode_crc32
from wherry_jobrunner.archive.store.requests import (
    StoredPart,
    StoreRequests,
    for_each,
    same_version,
)
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums


def expected_etag(stored: Mapping[int, StoredPart]) -> str | None:
    """Return S3's ETag of a multipart object, or None when the parts' ETags are not MD5 sums."""
    joined = b""
    for number in sorted(stored):
        found = MD5_ETAG.match(stored[number].etag)
        if found is None:
            return None
        joined += bytes.fromhex(found[1])
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(stored)}"


async def verify(
    client: Any,
    upload: Upload,
    plan: Plan,
    stored: Mapping[int, StoredPart],
    checksums: MemberChecksums,
    *,
    crc32: int | None,
    md5_etags: bool,
) -> str:
    """Check the stored archive against the plan; return its checksum as ``<algorithm>:<value>``.

    Checked are the size, the store's CRC-32 of the whole (or the ETag made of the parts', where
    these are MD5 sums), the central directory with every offset and CRC, and the local headers at
    some of the offsets.

    Raises ArchiveError (ArchiveVerificationFailed, retryable) when something differs.
    """
    where = {"Bucket": upload.bucket, "Key": upload.key}
    try:
        head = await client.head_object(**where, ChecksumMode="ENABLED")
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "look up the finished archive") from error
    if head["ContentLength"] != plan.size:
        raise archive_wrong(f"it has {head['ContentLength']} bytes and not {plan.size}")
    kept = decode_crc32(head.get("ChecksumCRC32"))
    if kept is not None and crc32 is not None and kept != crc32:
        raise archive_wrong("its CRC-32 is a different one")
    etag = expected_etag(stored) if md5_etags else None
    if kept is None and etag is not None and head["ETag"].strip('"') != etag:
        raise archive_wrong("its parts are not those that were sent")
    await _verify_directory(client, where, plan, checksums)
    return f"CRC32:{encode_crc32(kept)}" if kept is not None else f"ETag:{head['ETag']}"


async def confirm_sources(
    requests: StoreRequests, bucket: str, sources: Sequence[SourceObject], concurrency: int
) -> None:
    """Ask the store for the present version of ``sources``: objects that nothing was read from.

    A read is pinned by If-Match; an object without bytes, or one whose parts an earlier attempt
    uploaded, is not read at all. Raises ArchiveError (SourceChanged).
    """

    async def confirm(source: SourceObject) -> None:
        head = await requests.head(bucket, source.key)
        if head is None or head.size != source.size or not same_version(head.etag, source.etag):
            raise source_changed(source)

    await for_each(sources, confirm, concurrency)


async def verify_parts(
    requests: StoreRequests, upload: Upload, unchecked: Sequence[tuple[Part, int]]
) -> None:
    """Read parts back that the store took without a checksum; with each the CRC-32 as sent.

    Raises ArchiveError (ArchiveVerificationFailed) when the store has other bytes.
    """
    if not unchecked:
        return
    head = await requests.head(upload.bucket, upload.key)
    if head is None:
        raise archive_wrong("it no longer exists")
    stored = SourceObject("", upload.key, "", head.size, head.etag, head.modified)
    for part, sent in unchecked:
        crc32 = 0
        async with aclosing(requests.read(upload.bucket, stored, part.offset, part.size)) as chunks:
            async for chunk in chunks:
                crc32 = zlib.crc32(chunk, crc32)
        if crc32 != sent:
            raise archive_wrong(f"part {part.number} was damaged on its way into the store")


async def _verify_directory(
    client: Any, where: Mapping[str, str], plan: Plan, checksums: MemberChecksums
) -> None:
    crcs = [await checksums.wait(index) for index in range(len(plan.members))]
    if await _read(client, where, plan.directory_offset, plan.size) != plan.directory(crcs):
        raise archive_wrong("its central directory is a different one")
    count = len(plan.members)
    for index in sorted({0, count // 2, count - 1}):
        member = plan.members[index]
        header = member.local_header(crcs[index])
        if await _read(client, where, member.offset, member.offset + len(header)) != header:
            raise archive_wrong(f"there is no header of {member.name!r} where it should be")


async def _read(client: Any, where: Mapping[str, str], begin: int, end: int) -> bytes:
    try:
        answer = await client.get_object(**where, Range=f"bytes={begin}-{end - 1}")
        async with answer["Body"] as body:
            content: bytes = await body.read()
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "read the finished archive") from error
    return content
