"""The objects behind the file ids, and what the store's headers say about an object."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Target:
    """The object key of a file id, before the store is asked for the object."""

    file_id: str
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One object of the store, pinned to the version that its ETag names."""

    file_id: str
    key: str
    name: str
    size: int
    etag: str
    """As the store writes it, with its quotes."""
    modified: int
    """Seconds since 1970, UTC."""
    crc32: int | None = None
    """CRC-32 of the whole object, or None where the store does not keep it."""
    sha256: str | None = None
    """SHA-256 of the whole object in hexadecimal, or None where the store does not keep it."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file id that is not in the archive."""

    file_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """The answer to a HEAD request for an object."""

    size: int
    etag: str
    modified: int
    crc32: int | None
    sha256: str | None


def head_of(headers: Mapping[str, str]) -> ObjectHead | None:
    """Return the head that ``headers`` describe, or None when they lack ETag or size.

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


def encode_crc32(value: int) -> str:
    """Return ``value`` as in an x-amz-checksum-crc32 header: four bytes, big-endian, base64."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def decode_crc32(text: str | None) -> int | None:
    """Return the CRC-32 of a whole object from ``text``, or None when ``text`` holds none.

    A checksum of part checksums ("AM5JjA==-2") is not that of the whole object.
    """
    raw = _decode(text)
    return int.from_bytes(raw, "big") if raw is not None and len(raw) == 4 else None


def decode_sha256(text: str | None) -> str | None:
    """Return an x-amz-checksum-sha256 of a whole object in hexadecimal, or None."""
    raw = _decode(text)
    return raw.hex() if raw is not None and len(raw) == 32 else None


def _decode(text: str | None) -> bytes | None:
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
