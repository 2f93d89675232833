"""CRC-32 values as S3 writes them: four bytes, big-endian, base64."""

import base64
import binascii


def encode_crc32(value: int) -> str:
    """Return ``value`` as in an x-amz-checksum-crc32 header."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def decode_crc32(text: str | None) -> int | None:
    """Return the CRC-32 of the whole that ``text`` names, or None when it names none.

    A checksum of checksums ("AM5JjA==-2") says nothing about the bytes in a row.
    """
    if not text:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw, "big") if len(raw) == 4 else None


def decode_sha256(text: str | None) -> str | None:
    """Return an x-amz-checksum-sha256 of the whole in hexadecimal, or None."""
    if not text:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None
