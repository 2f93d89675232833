"""The multipart upload of one attempt: begin, complete, abort."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_jobrunner.archive.checksum_text import encode_crc32
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store_errors import (
    no_such_bucket,
    refused,
    store_unavailable,
    upload_lost,
)
from wherry_jobrunner.archive.store_requests import StoredPart

MD5_ETAG: Final = re.compile(r'^"?([0-9a-f]{32})"?$')
"""An ETag that may be an MD5 sum; with some encryptions it only looks like one."""
PLAN_METADATA: Final = "wherry-plan"
"""Name of the object metadata that holds the plan's digest."""
UNSUPPORTED: Final = frozenset(
    {"InvalidArgument", "InvalidRequest", "MalformedXML", "NotImplemented", "NotSupported"}
)


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


async def complete(client: Any, upload: Upload, parts: Sequence[StoredPart]) -> None:
    """Complete ``upload`` from ``parts``.

    Raises ArchiveError: UploadLost when the store no longer knows the upload, which is also what
    the second try of a completion says whose first answer was lost.
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
    """Abort ``upload``; one that is gone already is no error."""
    try:
        await client.abort_multipart_upload(
            Bucket=upload.bucket, Key=upload.key, UploadId=upload.upload_id
        )
    except ClientError as error:
        if code_of(error)[0] != "NoSuchUpload":
            raise as_archive_error(error, "abort the archive's upload") from error
    except BotoCoreError as error:
        raise as_archive_error(error, "abort the archive's upload") from error


async def put_small(client: Any, bucket: str, key: str, body: bytes) -> None:
    """Store a small JSON object."""
    try:
        await client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except (ClientError, BotoCoreError) as error:
        raise as_archive_error(error, "store the manifest") from error
