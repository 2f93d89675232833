"""The bytes of a ZIP archive with stored members.

Source: APPNOTE.TXT 6.3.10 of PKWARE; the sections are given at each record. No member has a data
descriptor: a stored member with one cannot be read by a program that reads from the front (Java's
ZipInputStream refuses it), and every CRC is known before the part with the header is uploaded.

The records are written here, because ``zipfile`` and the streaming libraries write an archive from
front to back. The planner needs the size and offset of every record before any byte is read, so
that parts can be built side by side, or copied by the store.
"""

import struct
from datetime import UTC, datetime
from typing import Final

LIMIT_32: Final = 0xFFFFFFFF
LIMIT_16: Final = 0xFFFF
UTF8_FLAG: Final = 0x0800
"""General purpose bit 11 (4.4.4): the name is UTF-8."""
STORED: Final = 0
VERSION_STORED: Final = 20
VERSION_ZIP64: Final = 45
MADE_BY_UNIX: Final = 3 << 8
MODE_REGULAR_644: Final = 0o100644 << 16

LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
END: Final = struct.Struct("<IHHHHIIH")
END_64: Final = struct.Struct("<IQHHIIQQQQ")
LOCATOR_64: Final = struct.Struct("<IIQI")
TIME_EXTRA_SIZE: Final = 9
ZIP64_LOCAL_EXTRA_SIZE: Final = 20


def dos_time(modified: int) -> tuple[int, int]:
    """Return the (date, time) words of 4.4.6 for seconds since 1970, in UTC.

    Times outside 1980 to 2107, which the format cannot say, become its nearest one.
    """
    earliest, latest = 315_532_800, 4_354_819_198
    moment = datetime.fromtimestamp(min(max(modified, earliest), latest), UTC)
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def _time_extra(modified: int) -> bytes:
    """Return Info-ZIP's extended timestamp: the modification time in UTC, where it fits."""
    if not -(2**31) <= modified < 2**31:
        return b""
    return struct.pack("<HHBi", 0x5455, 5, 1, modified)


def is_big(size: int) -> bool:
    """True when a member of ``size`` bytes needs Zip64 sizes (4.5.3)."""
    return size >= LIMIT_32


def local_header_size(name: bytes, size: int, modified: int) -> int:
    """Return how many bytes ``local_header`` gives."""
    zip64 = ZIP64_LOCAL_EXTRA_SIZE if is_big(size) else 0
    return LOCAL.size + len(name) + len(_time_extra(modified)) + zip64


def local_header(name: bytes, size: int, modified: int, crc32: int) -> bytes:
    """Return the local file header (4.3.7) of a stored member."""
    date, time = dos_time(modified)
    big = is_big(size)
    extra = struct.pack("<HHQQ", 1, 16, size, size) if big else b""
    extra += _time_extra(modified)
    size_32 = LIMIT_32 if big else size
    return (
        LOCAL.pack(
            0x04034B50,
            VERSION_ZIP64 if big else VERSION_STORED,
            UTF8_FLAG,
            STORED,
            time,
            date,
            crc32,
            size_32,
            size_32,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def _central_zip64(size: int, offset: int) -> bytes:
    """Return the Zip64 extra field (4.5.3): only the values that do not fit, in their order."""
    values = [size, size] if is_big(size) else []
    if offset >= LIMIT_32:
        values.append(offset)
    if not values:
        return b""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def central_header_size(name: bytes, size: int, modified: int, offset: int) -> int:
    """Return how many bytes ``central_header`` gives."""
    extra = len(_central_zip64(size, offset)) + len(_time_extra(modified))
    return CENTRAL.size + len(name) + extra


def central_header(name: bytes, size: int, modified: int, crc32: int, offset: int) -> bytes:
    """Return the central directory header (4.3.12) of a stored member."""
    date, time = dos_time(modified)
    zip64 = _central_zip64(size, offset)
    extra = zip64 + _time_extra(modified)
    size_32 = LIMIT_32 if is_big(size) else size
    version = VERSION_ZIP64 if zip64 else VERSION_STORED
    return (
        CENTRAL.pack(
            0x02014B50,
            MADE_BY_UNIX | VERSION_ZIP64,
            version,
            UTF8_FLAG,
            STORED,
            time,
            date,
            crc32,
            size_32,
            size_32,
            len(name),
            len(extra),
            0,
            0,
            0,
            MODE_REGULAR_644,
            min(offset, LIMIT_32),
        )
        + name
        + extra
    )


def end_records(count: int, size: int, offset: int) -> bytes:
    """Return what ends an archive (4.3.14 to 4.3.16); ``size`` and ``offset`` are the directory's.

    The Zip64 records come only when a value does not fit into the classic one.
    """
    classic = END.pack(
        0x06054B50,
        0,
        0,
        min(count, LIMIT_16),
        min(count, LIMIT_16),
        min(size, LIMIT_32),
        min(offset, LIMIT_32),
        0,
    )
    if count < LIMIT_16 and size < LIMIT_32 and offset < LIMIT_32:
        return classic
    record = END_64.pack(
        0x06064B50,
        END_64.size - 12,
        MADE_BY_UNIX | VERSION_ZIP64,
        VERSION_ZIP64,
        0,
        0,
        count,
        count,
        size,
        offset,
    )
    return record + LOCATOR_64.pack(0x07064B50, 0, offset + size, 1) + classic
