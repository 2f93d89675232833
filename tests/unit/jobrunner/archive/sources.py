"""Objects for tests, and archives written from a plan without a store."""

import zlib
from collections.abc import Callable
from typing import BinaryIO

from wherry_jobrunner.archive.plan.manifest import manifest
from wherry_jobrunner.archive.plan.plan import Directory, Header, ManifestBody, Plan, Range
from wherry_jobrunner.archive.plan.planner import plan_archive
from wherry_jobrunner.archive.store.objects import SkippedFile, SourceObject
from wherry_jobrunner.archive.transfer.crc32 import combine

MIB = 1 << 20


def source(number: int, size: int, name: str | None = None) -> SourceObject:
    """Return an object; nothing of it exists."""
    return SourceObject(
        file_id=str(number),
        key=f"files/{number}",
        name=name if name is not None else f"{number}.bin",
        size=size,
        etag=f'"{number:032x}"',
        modified=1_700_000_000 + number,
    )


def planned(
    sources: list[SourceObject],
    skipped: tuple[SkippedFile, ...] = (),
    part_bytes: int = 8 * MIB,
    range_bytes: int = 8 * MIB,
) -> Plan:
    """Plan with usual sizes."""
    return plan_archive(sources, skipped, part_bytes=part_bytes, range_bytes=range_bytes)


def write(plan: Plan, file: BinaryIO, content: Callable[[int], bytes], crcs: list[int]) -> None:
    """Write the archive of ``plan`` to ``file``; a range of zero bytes is left as a hole."""
    body = manifest(plan.files, crcs, plan.skipped)
    everything = [*crcs, zlib.crc32(body)]
    position = 0
    for part in plan.parts:
        assert part.offset == position
        for segment in part.segments:
            file.seek(position)
            if isinstance(segment, Range):
                data = content(segment.member)
                file.write(data[segment.start : segment.start + segment.size])
            elif isinstance(segment, Header):
                file.write(plan.members[segment.member].local_header(everything[segment.member]))
            elif isinstance(segment, ManifestBody):
                file.write(body)
            elif isinstance(segment, Directory):
                file.write(plan.directory(everything))
            position += segment.size
            if not isinstance(segment, Range):
                assert file.tell() == position
    assert position == plan.size


def zeros_crc32(size: int) -> int:
    """Return the CRC-32 of ``size`` zero bytes."""
    crc, step, length = 0, zlib.crc32(b"\0"), 1
    while size:
        if size & 1:
            crc = combine(crc, step, length)
        step = combine(step, step, length)
        length *= 2
        size >>= 1
    return crc
