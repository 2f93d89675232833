"""Memory for one part, and the CRC-32 of what was put together in it."""

import contextlib
import mmap
import zlib
from collections.abc import Sequence
from typing import Final

from wherry_jobrunner.archive.crc32 import combine
from wherry_jobrunner.archive.plan import Part, Range

WORTH_COMBINING: Final = 1 << 16
"""Bytes of a range from which on reading it again costs more than combining its CRC."""


def part_buffer(size: int) -> memoryview:
    """Return ``size`` zero bytes that go back to the system as soon as nobody holds them.

    A mapping of its own does so; the allocator would keep holes. Its pages are large where the
    system has such: faulting in small ones cost half a CPU second for a gibibyte of files.
    """
    mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # A kernel without large pages refuses the advice, and small ones do as well.
    with contextlib.suppress(OSError):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapping)


def part_crc32(part: Part, view: memoryview, range_crcs: Sequence[int | None]) -> int:
    """Return the CRC-32 of the finished ``part`` in ``view``.

    ``range_crcs`` are those of its ranges, taken of the same bytes; the large ones are not read
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
