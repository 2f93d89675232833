"""Multipart uploads: begin, copy a part, list the parts, complete, abort."""

import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_jobrunner.archive import metrics
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store.errors import (
    no_such_bucket,
    refused,
    source_changed,
    store_unavailable,
    upload_lost,
)
from wherry_jobrunner.archive.store.objects import SourceObject, decode_crc32, encode_crc32
from wherry_jobrunner.archive.store.requests import StoredPart

logger = logging.getLogger(__name__)

MD5_ETAG: Final = re.compile(r'^"?([0-9a-f]{32})"?$')
"""An ETag that may be an MD5 sum; with some encryptions it only looks like one."""
PLAN_METADATA: Final = "wherry-plan"
"""Name of the object metadata that holds the plan's digest."""
UNSUPPORTED: Final = frozenset(
    {"InvalidArgument", "InvalidRequest", "MalformedXML", "NotImplemented", "NotSupported"}
)


CHANGED: Final = frozenset({"PreconditionFailed", "NoSuchKey", "InvalidRange"})
"""Codes of a copy whose source is no longer the object that was planned."""


class CopyFailedError(Exception):
    """The store did not copy a part, so that its bytes have to be streamed."""

    def __init__(self, code: str, *, unsupported: bool) -> None:
        super().__init__(code)
        self.unsupported = unsupported
        """True when the store will not copy other parts either."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that has begun."""

    bucket: str
    key: str
    upload_id: str
    with_crc32: bool
    """True when the store keeps a CRC-32 of the whole object and of every part."""


def code_of(error: ClientError) -> tuple[str, int]:
    """Return S3's error code and the HTTP status."""
    answer = error.response
    return (
        str(answer.get("Error", {}).get("Code", "")),
        int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
    )


def as_archive_error(error: Exception, what: str) -> ArchiveError:
    """Return what a failed request of the client means."""
    if not isinstance(error, ClientError):
        return store_unavailable(what, 1, error)
    code, status = code_of(error)
    if code == "NoSuchUpload":
        return upload_lost()
    if code == "NoSuchBucket":
        return no_such_bucket("archives", "WHERRY_ARCHIVE_BUCKET")
    return refused(status, what)


async def begin(
    client: Any, bucket: str, key: str, digest: str, *, with_crc32: bool = True
) -> Upload:
    """Begin an upload, with the store's CRC-32 of the whole object where the store has it."""
    common = {
        "Bucket": bucket,
        "Key": key,
        "ContentType": "application/zip",
        "Metadata": {PLAN_METADATA: digest},
    }
    what = "begin the archive's upload"
    if with_crc32:
        try:
            answer = await client.create_multipart_upload(
                **common, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
            )
            return Upload(bucket, key, answer["UploadId"], with_crc32=True)
        except ClientError as error:
            code, status = code_of(error)
            if code not in UNSUPPORTED and status not in {400, 501}:
                raise as_archive_error(error, what) from error
        except BotoCoreError as error:
            raise as_archive_error(error, what) from error
    try:
        answer = await client.create_multipart_upload(**common)
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, what) from error
    return Upload(bucket, key, answer["UploadId"], with_crc32=False)


async def copy_part(
    client: Any,
    upload: Upload,
    bucket: str,
    source: SourceObject,
    *,
    start: int,
    size: int,
    number: int,
) -> StoredPart:
    """Have the store copy ``size`` bytes of ``source`` from ``start`` into part ``number``.

    The copy is pinned by the ETag of ``source``. Raises CopyFailedError when the store cannot, or
    not now; ArchiveError when the source changed or the upload is gone.
    """
    try:
        answer = await client.upload_part_copy(
            Bucket=upload.bucket,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": source.key},
            CopySourceRange=f"bytes={start}-{start + size - 1}",
            CopySourceIfMatch=source.etag,
        )
    except ClientError as error:
        code, status = code_of(error)
        if code in CHANGED or status == 412:
            raise source_changed(source) from error
        if code == "NoSuchUpload":
            raise upload_lost() from error
        # Reading may be allowed where copying is not; streaming shows whether it is.
        if status in {400, 401, 403, 405, 501} or code in UNSUPPORTED:
            raise CopyFailedError(code, unsupported=True) from error
        if status >= 500 or status == 429:
            raise CopyFailedError(code, unsupported=False) from error
        raise refused(status, f"copy the object {source.key!r}") from error
    except (TimeoutError, BotoCoreError) as error:
        raise CopyFailedError(type(error).__name__, unsupported=False) from error
    result = answer["CopyPartResult"]
    return StoredPart(number, result["ETag"], size, decode_crc32(result.get("ChecksumCRC32")))


async def list_parts(client: Any, upload: Upload) -> dict[int, tuple[str, int]]:
    """Return the ETag (without quotes) and the size of every part by its number.

    Raises ArchiveError.
    """
    listed: dict[int, tuple[str, int]] = {}
    pages = client.get_paginator("list_parts").paginate(
        Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id
    )
    try:
        async for page in pages:
            for item in page.get("Parts", []):
                listed[item["PartNumber"]] = (item["ETag"].strip('"'), item["Size"])
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "list the parts of an upload") from error
    return listed


async def complete(client: Any, upload: Upload, parts: Sequence[StoredPart]) -> None:
    """Complete ``upload`` from ``parts``.

    Raises ArchiveError: UploadLost when the store no longer knows the upload, which is also the
    answer to the second try of a completion whose first answer was lost.
    """
    listed = []
    for part in sorted(parts, key=lambda item: item.number):
        item: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag}
        if upload.with_crc32 and part.crc32 is not None:
            item["ChecksumCRC32"] = encode_crc32(part.crc32)
        listed.append(item)
    try:
        await client.complete_multipart_upload(
            Bucket=upload.bucket,
            Key=upload.key,
            UploadId=upload.upload_id,
            MultipartUpload={"Parts": listed},
        )
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "complete the archive's upload") from error


async def abort(client: Any, upload: Upload) -> None:
    """Abort ``upload``; one that no longer exists is not an error. Raises ArchiveError."""
    try:
        await client.abort_multipart_upload(
            Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id
        )
    except ClientError as error:
        if code_of(error)[0] != "NoSuchUpload":
            raise as_archive_error(error, "abort the archive's upload") from error
    except BotoCoreError as error:
        raise as_archive_error(error, "abort the archive's upload") from error


async def abort_or_report(client: Any, upload: Upload, job: str) -> None:
    """Abort ``upload``; log and count it when the store does not let us.

    The operator aborts what is left when the job is deleted, and so does a lifecycle rule of the
    bucket.
    """
    try:
        await abort(client, upload)
    except ArchiveError as error:
        metrics.UNABORTED_UPLOADS.inc()
        logger.warning(
            "the upload %s of %s in bucket %s was not aborted: %s",
            upload.upload_id,
            upload.key,
            upload.bucket,
            error.message,
            extra={"job": job},
        )


@asynccontextmanager
async def aborted_on_failure(client: Any, upload: Upload, job: str) -> AsyncIterator[None]:
    """Abort ``upload`` when the body fails; a cancelled one keeps it for the next attempt."""
    try:
        yield
    except Exception:
        await abort_or_report(client, upload, job)
        raise


async def put_small(client: Any, bucket: str, key: str, body: bytes) -> None:
    """Store a small JSON object."""
    try:
        await client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "store the manifest") from error
