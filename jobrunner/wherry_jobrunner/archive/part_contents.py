"""What a part is made of, in memory: ranges read from the store, then the literal bytes."""

import asyncio
import hashlib
import zlib
from collections.abc import Iterator

from wherry_jobrunner.archive.checksums import MemberChecksums
from wherry_jobrunner.archive.file_digests import FileDigests
from wherry_jobrunner.archive.manifest import manifest
from wherry_jobrunner.archive.plan import Directory, Header, ManifestBody, Part, Plan, Range
from wherry_jobrunner.archive.store_requests import StoreRequests

READERS = 32
"""Ranges of one part that are read at the same time."""


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
