"""The contents of one part in memory: ranges read from the store, then the literal bytes."""

import asyncio
import contextlib
import hashlib
import mmap
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from wherry_jobrunner.archive.plan.manifest import manifest
from wherry_jobrunner.archive.plan.plan import Directory, Header, ManifestBody, Part, Plan, Range
from wherry_jobrunner.archive.store.requests import StoreRequests
from wherry_jobrunner.archive.transfer.crc32 import combine
from wherry_jobrunner.archive.transfer.file_digests import FileDigests
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums

READERS: Final = 32
"""Ranges of one part that are read at the same time."""
WORTH_COMBINING: Final = 1 << 16
"""Bytes from which combining the CRC of a range is cheaper than reading the range again."""


def part_buffer(size: int) -> memoryview:
    """Return ``size`` zero bytes that return to the system when the last view of them is gone.

    A mapping of its own does so; the allocator would keep holes. Large pages where the system has
    them: faulting in small ones costs half a CPU second for a gibibyte of files.
    """
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # A kernel without large pages refuses the advice; small pages work as well.
    with contextlib.suppress(OSError):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapping)


def part_crc32(part: Part, view: memoryview, range_crcs: Sequence[int | None]) -> int:
    """Return the CRC-32 of the finished ``part`` in ``view``.

    ``range_crcs`` are those of its ranges, computed from the same bytes; large ranges are not read
    again.
    """
    known = iter(range_crcs)
    whole = 0
    position = pending = 0
    for segment in part.segments:
        end = position + segment.size
        crc32 = next(known) if isinstance(segment, Range) else None
        if crc32 is not None and segment.size >= WORTH_COMBINING:
            whole = combine(zlib.crc32(view[pending:position], whole), crc32, segment.size)
            pending = end
        position = end
    return zlib.crc32(view[pending:], whole)


def placed_ranges(part: Part, view: memoryview) -> list[tuple[Range, memoryview]]:
    """Return the ranges of ``part``, each with its place in ``view``."""
    placed: list[tuple[Range, memoryview]] = []
    position = 0
    for segment in part.segments:
        if isinstance(segment, Range):
            placed.append((segment, view[position : position + segment.size]))
        position += segment.size
    return placed


class PartContents:
    """Fills parts of one plan."""

    def __init__(
        self,
        plan: Plan,
        bucket: str,
        requests: StoreRequests,
        checksums: MemberChecksums,
        digests: FileDigests | None,
    ) -> None:
        self._plan = plan
        self._bucket = bucket
        self._requests = requests
        self._checksums = checksums
        self._digests = digests

    async def read_ranges(self, part: Part, view: memoryview) -> None:
        """Read every range of ``part`` into its place, and take the checksums."""
        placed = placed_ranges(part, view)
        queue = iter(placed)
        if len(placed) == 1:
            await self._read(queue)
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(READERS, len(placed))):
                    group.create_task(self._read(queue))
        await self._take_checksums(placed)

    async def _read(self, queue: Iterator[tuple[Range, memoryview]]) -> None:
        for segment, place in queue:
            source = self._plan.members[segment.member].source
            if source is None:
                raise ValueError("a range of the manifest")
            await self._requests.read_into(self._bucket, source, segment.start, place)

    async def _take_checksums(self, placed: list[tuple[Range, memoryview]]) -> None:
        whole = [segment.size == self._plan.members[segment.member].size for segment, _ in placed]
        wanted = self._digests is not None

        def work() -> list[tuple[int, str | None]]:
            return [
                (
                    zlib.crc32(place),
                    hashlib.sha256(place).hexdigest() if wanted and is_whole else None,
                )
                for (_, place), is_whole in zip(placed, whole, strict=True)
            ]

        results = await asyncio.to_thread(work)
        for (segment, place), (crc32, digest) in zip(placed, results, strict=True):
            self._checksums.add(segment.member, segment.start, segment.size, crc32)
            if self._digests is None:
                continue
            if digest is not None:
                self._digests.set(segment.member, digest)
            else:
                await self._digests.add(segment.member, segment.start, place)

    async def write_literals(self, part: Part, view: memoryview) -> None:
        """Write the literal bytes of ``part`` into their places, waiting for the CRCs in them."""
        position = 0
        for segment in part.segments:
            if not isinstance(segment, Range):
                view[position : position + segment.size] = await self.literal(segment)
            position += segment.size

    async def literal(self, segment: Header | ManifestBody | Directory) -> bytes:
        """Return literal bytes as soon as the CRCs in them are known."""
        if isinstance(segment, Header) and self._plan.members[segment.member].source is not None:
            crc32 = await self._checksums.wait(segment.member)
            return self._plan.members[segment.member].local_header(crc32)
        files = await self._checksums.wait_for_files()
        body = await asyncio.to_thread(manifest, self._plan.files, files, self._plan.skipped)
        last = len(self._plan.members) - 1
        crc32 = zlib.crc32(body)
        self._checksums.set(last, crc32)
        if isinstance(segment, Header):
            return self._plan.members[last].local_header(crc32)
        if isinstance(segment, ManifestBody):
            return body
        return await asyncio.to_thread(self._plan.directory, [*files, crc32])
