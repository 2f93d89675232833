"""The CRC-32 of every member, put together from its pieces in whatever order they come."""

import asyncio
import zlib
from collections.abc import Sequence

from wherry_jobrunner.archive.plan.plan import Part, Plan, Range
from wherry_jobrunner.archive.store.errors import source_corrupt
from wherry_jobrunner.archive.transfer.crc32 import combine


class MemberChecksums:
    """Collects CRCs of pieces; a member's CRC is known from the store or from all its pieces."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: list[int | None] = []
        self._left = [member.size for member in plan.members]
        self._pieces: dict[int, list[tuple[int, int, int]]] = {}
        self._of_pieces: dict[tuple[int, int], int] = {}
        self._waiting: dict[int, asyncio.Future[None]] = {}
        for member in plan.members:
            source = member.source
            kept = source.crc32 if source is not None else None
            self._known.append(zlib.crc32(b"") if member.size == 0 else kept)

    def known(self, member: int) -> int | None:
        """Return the member's CRC, or None while pieces are missing."""
        return self._known[member]

    def of_ranges(self, part: Part) -> list[int | None]:
        """Return the CRC of every range in ``part``, None where it is unknown."""
        return [
            self._of_pieces.get((segment.member, segment.start))
            for segment in part.segments
            if isinstance(segment, Range)
        ]

    def add(self, member: int, start: int, size: int, crc32: int) -> None:
        """Add the CRC of one piece of a member; the pieces must not overlap.

        Raises ArchiveError (SourceCorrupt) when the pieces contradict the store's own checksum.
        """
        self._of_pieces[member, start] = crc32
        pieces = self._pieces.setdefault(member, [])
        pieces.append((start, size, crc32))
        self._left[member] -= size
        if self._left[member] > 0:
            return
        whole = 0
        for _, piece_size, piece in sorted(self._pieces.pop(member)):
            whole = combine(whole, piece, piece_size)
        source = self._plan.members[member].source
        expected = self._known[member]
        if expected is not None and expected != whole and source is not None:
            raise source_corrupt(source)
        self.set(member, whole)

    def set(self, member: int, crc32: int) -> None:
        """Set the CRC of a whole member."""
        self._known[member] = crc32
        waiting = self._waiting.pop(member, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def wait(self, member: int) -> int:
        """Return the member's CRC as soon as it is known."""
        while (crc32 := self._known[member]) is None:
            waiting = self._waiting.get(member)
            if waiting is None:
                waiting = self._waiting[member] = asyncio.get_running_loop().create_future()
            await asyncio.shield(waiting)
        return crc32

    async def wait_for_files(self) -> Sequence[int]:
        """Return the CRCs of all members that come from the store, in their order."""
        return [
            await self.wait(index)
            for index, member in enumerate(self._plan.members)
            if member.source is not None
        ]
