"""From objects to a plan: pure, and the same input gives the same plan."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Final

import orjson

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan import zip_format
from wherry_jobrunner.archive.plan.manifest import MANIFEST_NAME, manifest
from wherry_jobrunner.archive.plan.member_names import unique_names
from wherry_jobrunner.archive.plan.plan import (
    Directory,
    Header,
    ManifestBody,
    Member,
    Part,
    Plan,
    Range,
    Segment,
)
from wherry_jobrunner.archive.store.objects import SkippedFile, SourceObject

MIB: Final = 1 << 20
MAX_PARTS: Final = 10_000
MIN_PART: Final = 5 * MIB
"""Minimum size in bytes of every part but the last (S3's limit)."""
MAX_PART: Final = 5 << 30
MAX_OBJECT: Final = 5 << 40
PLAN_VERSION: Final = 1
"""Part of the digest: raise it when the same plan would give other bytes."""


def plan_archive(
    sources: Sequence[SourceObject],
    skipped: Sequence[SkippedFile],
    *,
    part_bytes: int,
    range_bytes: int,
) -> Plan:
    """Return the plan of an archive of ``sources`` in their order, the manifest last.

    ``part_bytes`` is the size at which a part made of several files is full; ``range_bytes`` the
    size of a part that is nothing but a range of one object, which a store can copy by itself.
    Both grow when the archive would have too many parts.

    Raises ArchiveError (not retryable) for an archive over S3's 5 TiB.
    """
    names = unique_names([source.name for source in sources], taken=[MANIFEST_NAME])
    files = list(zip(names, sources, strict=True))
    manifest_size = len(manifest(files, [0] * len(files), skipped))
    members, segments, directory_offset = _lay_out(files, manifest_size)
    size = sum(segment.size for segment in segments)
    if size > MAX_OBJECT:
        raise ArchiveError(
            "ArchiveTooLarge",
            f"The files have {size} bytes in all; one archive can have {MAX_OBJECT} (5 TiB). "
            "Ask for fewer files in one job.",
            retryable=False,
        )
    parts = _fit(segments, part_bytes, range_bytes, size)
    return Plan(
        members=members,
        parts=parts,
        skipped=tuple(skipped),
        size=size,
        directory_offset=directory_offset,
        digest=_digest(members, parts, skipped),
    )


def _lay_out(
    files: Sequence[tuple[str, SourceObject]], manifest_size: int
) -> tuple[tuple[Member, ...], list[Segment], int]:
    newest = max((source.modified for _, source in files), default=0)
    rows = [(name, source.size, source.modified, source) for name, source in files]
    members: list[Member] = []
    segments: list[Segment] = []
    offset = 0
    directory_size = 0
    for name, size, modified, source in [*rows, (MANIFEST_NAME, manifest_size, newest, None)]:
        encoded = name.encode()
        index = len(members)
        header = zip_format.local_header_size(encoded, size, modified)
        segments.append(Header(index, header))
        if source is None:
            segments.append(ManifestBody(index, size))
        elif size:
            segments.append(Range(index, 0, size))
        directory_size += zip_format.central_header_size(encoded, size, modified, offset)
        members.append(Member(name, size, modified, offset, source))
        offset += header + size
    end = len(zip_format.end_records(len(members), directory_size, offset))
    segments.append(Directory(directory_size + end))
    return tuple(members), segments, offset


def _fit(
    segments: Sequence[Segment], part_bytes: int, range_bytes: int, size: int
) -> tuple[Part, ...]:
    """Cut into parts, with the least part growing until there are few enough of them."""
    least = MIN_PART
    # Half of the parts may be the glue between ranges, so the ranges get the other half.
    range_size = max(range_bytes, MIN_PART, -(-size // (MAX_PARTS // 2)))
    while True:
        parts = cut_into_parts(
            segments,
            least=least,
            part_bytes=max(part_bytes, least),
            range_bytes=min(max(range_size, least), MAX_PART),
        )
        if len(parts) <= MAX_PARTS:
            return parts
        least += least // 4


def cut_into_parts(
    segments: Sequence[Segment], *, least: int, part_bytes: int, range_bytes: int
) -> tuple[Part, ...]:
    """Cut ``segments`` into parts of at least ``least`` bytes, but for the last.

    Between two parts there is never the middle of a literal. A file that is long enough gives
    the bytes that fill up the part with its header, and the rest in parts of its own.
    """
    parts: list[Part] = []
    pending: list[Segment] = []
    pending_size = 0
    offset = 0

    def close() -> None:
        nonlocal pending, pending_size, offset
        if pending:
            parts.append(Part(len(parts) + 1, offset, pending_size, tuple(pending)))
            offset += pending_size
            pending, pending_size = [], 0

    def add(segment: Segment) -> None:
        nonlocal pending_size
        pending.append(segment)
        pending_size += segment.size

    for index, segment in enumerate(segments):
        if isinstance(segment, Header):
            whole = segment.size + _body_size(segments, index)
            if pending_size >= least and pending_size + whole > part_bytes:
                close()
        if not isinstance(segment, Range):
            add(segment)
            continue
        fill = max(0, least - pending_size)
        if segment.size - fill < least:
            add(segment)
            continue
        if fill:
            add(Range(segment.member, segment.start, fill))
        close()
        for piece in _split(segment, fill, least, range_bytes):
            add(piece)
            close()
    close()
    return tuple(parts)


def _body_size(segments: Sequence[Segment], header: int) -> int:
    following = segments[header + 1]
    return following.size if isinstance(following, Range | ManifestBody) else 0


def _split(segment: Range, skip: int, least: int, range_bytes: int) -> list[Range]:
    """Cut what comes after the first ``skip`` bytes into near-equal ranges, none too small."""
    rest = segment.size - skip
    count = min(-(-rest // range_bytes), rest // least)
    bounds = [skip + rest * number // count for number in range(count + 1)]
    return [
        Range(segment.member, segment.start + begin, end - begin)
        for begin, end in itertools.pairwise(bounds)
    ]


def _digest(
    members: Sequence[Member], parts: Sequence[Part], skipped: Sequence[SkippedFile]
) -> str:
    document = [
        PLAN_VERSION,
        [[m.name, m.size, m.modified, _identity(m.source) if m.source else None] for m in members],
        [[item.file_id, item.reason] for item in skipped],
        [part.size for part in parts],
    ]
    return hashlib.sha256(orjson.dumps(document)).hexdigest()


def _identity(source: SourceObject) -> list[str | None]:
    return [source.file_id, source.key, source.etag, source.sha256]
