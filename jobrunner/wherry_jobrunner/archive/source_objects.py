"""The objects behind the file ids."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file id points, before the store was asked."""

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
    """CRC-32 of the whole object, where the store knows it."""
    sha256: str | None = None
    """SHA-256 of the whole object in hexadecimal, where the store knows it."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file id that is not in the archive."""

    file_id: str
    reason: str
