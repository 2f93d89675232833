"""What a HEAD request tells of an object."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from wherry_jobrunner.archive.checksum_text import decode_crc32, decode_sha256


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What a HEAD request tells of an object."""

    size: int
    etag: str
    modified: int
    crc32: int | None
    sha256: str | None


def head_of(headers: Mapping[str, str]) -> ObjectHead | None:
    """Return what the ``headers`` of an answer tell, or None when they lack ETag or size.

    A checksum of the parts' checksums says nothing about the bytes in a row and is left out.
    """
    etag = headers.get("ETag", "")
    if not etag or "Content-Length" not in headers:
        return None
    composite = headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT"
    modified = headers.get("Last-Modified")
    return ObjectHead(
        size=int(headers["Content-Length"]),
        etag=etag,
        modified=int(parsedate_to_datetime(modified).timestamp()) if modified else 0,
        crc32=None if composite else decode_crc32(headers.get("x-amz-checksum-crc32")),
        sha256=None if composite else decode_sha256(headers.get("x-amz-checksum-sha256")),
    )
