"""An archive as a plan: which bytes come from where, and in which part they are uploaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from wherry_jobrunner.archive.plan import zip_format
from wherry_jobrunner.archive.store.objects import SkippedFile, SourceObject


@dataclass(frozen=True, slots=True)
class Member:
    """One file in the archive; the last one is the manifest and has no source."""

    name: str
    size: int
    modified: int
    offset: int
    """Where its local header begins, in bytes from the archive's start."""
    source: SourceObject | None

    def local_header(self, crc32: int) -> bytes:
        """Return the member's local header."""
        return zip_format.local_header(self.name.encode(), self.size, self.modified, crc32)

    def central_header(self, crc32: int) -> bytes:
        """Return the member's header in the central directory."""
        return zip_format.central_header(
            self.name.encode(), self.size, self.modified, crc32, self.offset
        )


@dataclass(frozen=True, slots=True)
class Header:
    """Literal bytes: a member's local header, known once its CRC is."""

    member: int
    size: int


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a member's object, from ``start``."""

    member: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class ManifestBody:
    """Literal bytes: the manifest, known once the CRCs of all files are known."""

    member: int
    size: int


@dataclass(frozen=True, slots=True)
class Directory:
    """Literal bytes: the central directory and the end records, known once all CRCs are."""

    size: int


Segment = Header | Range | ManifestBody | Directory


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the multipart upload: segments in a row."""

    number: int
    offset: int
    size: int
    segments: tuple[Segment, ...]

    @property
    def copyable(self) -> Range | None:
        """The range that the store itself could copy, when the part is nothing else."""
        if len(self.segments) == 1 and isinstance(self.segments[0], Range):
            return self.segments[0]
        return None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about an archive but the CRCs."""

    members: tuple[Member, ...]
    parts: tuple[Part, ...]
    skipped: tuple[SkippedFile, ...]
    size: int
    directory_offset: int
    digest: str
    """Digest of the sources' versions, the names and the parts; equal plans have the same one."""

    @property
    def files(self) -> list[tuple[str, SourceObject]]:
        """The members that come from the store, as (name, object)."""
        return [(m.name, m.source) for m in self.members if m.source is not None]

    def directory(self, checksums: Sequence[int]) -> bytes:
        """Return the central directory and the end records."""
        headers = b"".join(
            member.central_header(crc32)
            for member, crc32 in zip(self.members, checksums, strict=True)
        )
        return headers + zip_format.end_records(
            len(self.members), len(headers), self.directory_offset
        )
