"""Parts too large for memory: piped from one connection into the other."""

import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from wherry_jobrunner.archive.plan.plan import Part, Plan, Range
from wherry_jobrunner.archive.store.requests import StoreRequests
from wherry_jobrunner.archive.transfer.crc32 import combine
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums
from wherry_jobrunner.archive.transfer.part_contents import PartContents


class RangeReader:
    """Reads ranges of a plan's objects without keeping them."""

    def __init__(self, plan: Plan, bucket: str, requests: StoreRequests) -> None:
        self._plan = plan
        self._bucket = bucket
        self._requests = requests

    async def chunks(self, segment: Range) -> AsyncIterator[bytes]:
        """Yield the bytes of a range."""
        source = self._plan.members[segment.member].source
        if source is None:
            raise ValueError("a range of the manifest")
        reading = self._requests.read(self._bucket, source, segment.start, segment.size)
        async with aclosing(reading) as chunks:
            async for chunk in chunks:
                yield chunk

    async def crc32(self, segment: Range) -> int:
        """Return the CRC-32 of a range."""
        crc32 = 0
        async for chunk in self.chunks(segment):
            crc32 = zlib.crc32(chunk, crc32)
        return crc32


@dataclass(slots=True)
class PipedPart:
    """One part in transfer; ``body`` may be called again for another try."""

    part: Part
    reader: RangeReader
    literals: dict[int, bytes]
    known: dict[int, int]
    """CRC-32 of the segments that were read before, by index."""
    sent: dict[int, int]
    """CRC-32 of the segments as they were sent, by index."""

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the part."""
        self.sent.clear()
        for index, segment in enumerate(self.part.segments):
            crc32 = 0
            if isinstance(segment, Range):
                async for chunk in self.reader.chunks(segment):
                    crc32 = zlib.crc32(chunk, crc32)
                    yield chunk
            else:
                crc32 = zlib.crc32(self.literals[index])
                yield self.literals[index]
            self.sent[index] = crc32

    def crc32(self, crcs: dict[int, int]) -> int:
        """Return the CRC-32 of the part from those of its segments."""
        whole = 0
        for index, segment in enumerate(self.part.segments):
            whole = combine(whole, crcs[index], segment.size)
        return whole


async def prepare_pipe(
    part: Part,
    reader: RangeReader,
    contents: PartContents,
    checksums: MemberChecksums,
    *,
    crc_first: bool,
) -> PipedPart:
    """Return the part with everything that must be known before its first byte is sent.

    Literal bytes need CRCs, and with ``crc_first`` so does the request itself (a store that keeps
    CRC-32s of parts refuses a part without one): the ranges are then read once for these alone.
    """
    piped = PipedPart(part, reader, {}, {}, {})
    for index, segment in enumerate(part.segments):
        if not isinstance(segment, Range):
            continue
        needed = part.copyable is None and checksums.known(segment.member) is None
        if crc_first or needed:
            piped.known[index] = await reader.crc32(segment)
            checksums.add(segment.member, segment.start, segment.size, piped.known[index])
    for index, segment in enumerate(part.segments):
        if not isinstance(segment, Range):
            piped.literals[index] = await contents.literal(segment)
            piped.known[index] = zlib.crc32(piped.literals[index])
    return piped
