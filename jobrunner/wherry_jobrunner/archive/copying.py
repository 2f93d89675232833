"""Parts that the store copies by itself: UploadPartCopy, pinned by the source's ETag."""

from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_jobrunner.archive.checksum_text import decode_crc32
from wherry_jobrunner.archive.plan import Part, Range
from wherry_jobrunner.archive.source_objects import SourceObject
from wherry_jobrunner.archive.store_errors import refused, source_changed, upload_lost
from wherry_jobrunner.archive.store_requests import StoredPart
from wherry_jobrunner.archive.upload import UNSUPPORTED, Upload, code_of

CHANGED: Final = frozenset({"PreconditionFailed", "NoSuchKey", "InvalidRange"})


class CopyFailedError(Exception):
    """The store did not copy a part, so that its bytes have to be streamed."""

    def __init__(self, code: str, *, unsupported: bool) -> None:
        super().__init__(code)
        self.unsupported = unsupported
        """True when it will not copy other parts either."""


async def copy_part(
    client: Any, upload: Upload, bucket: str, source: SourceObject, segment: Range, part: Part
) -> StoredPart:
    """Have the store copy ``segment`` of ``source`` into ``part``.

    Raises CopyFailedError when the store cannot, or not now; ArchiveError when the source changed
    or the upload is gone.
    """
    try:
        answer = await client.upload_part_copy(
            Bucket=upload.bucket,
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=part.number,
            CopySource={"Bucket": bucket, "Key": source.key},
            CopySourceRange=f"bytes={segment.start}-{segment.start + segment.size - 1}",
            CopySourceIfMatch=source.etag,
        )
    except ClientError as error:
        code, status = code_of(error)
        if code in CHANGED or status == 412:
            raise source_changed(source) from error
        if code == "NoSuchUpload":
            raise upload_lost() from error
        if status in {401, 403}:
            # Reading may be allowed where copying is not: streaming finds out.
            raise CopyFailedError(code, unsupported=True) from error
        if code in UNSUPPORTED or status in {400, 405, 501}:
            raise CopyFailedError(code, unsupported=True) from error
        if status >= 500 or status == 429:
            raise CopyFailedError(code, unsupported=False) from error
        raise refused(status, f"copy the object {source.key!r}") from error
    except (TimeoutError, BotoCoreError) as error:
        raise CopyFailedError(type(error).__name__, unsupported=False) from error
    result = answer["CopyPartResult"]
    return StoredPart(
        part.number, result["ETag"], part.size, decode_crc32(result.get("ChecksumCRC32"))
    )
