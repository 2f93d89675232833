"""Where a download resumes, and what to do with each response of the store. Pure functions.

Ranges: RFC 9110, section 14. ``If-Range``: section 13.1.5.
"""

import json
import re
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Final

CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class PartRecord:
    """What is known of a partly downloaded archive; stored in a file beside the part."""

    job_id: str
    etag: str | None
    size: int | None
    """Bytes of the whole archive."""

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PartRecord | None":
        """Read a record from JSON text; return None when the text is not a record."""
        try:
            fields = json.loads(text)
            return cls(
                job_id=str(fields["job_id"]),
                etag=None if fields["etag"] is None else str(fields["etag"]),
                size=None if fields["size"] is None else int(fields["size"]),
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class ResumePoint:
    """The first byte to request, and the request headers for it."""

    offset: int
    headers: tuple[tuple[str, str], ...] = ()


FROM_THE_BEGINNING: Final = ResumePoint(0)


def resume_point(written: int, record: PartRecord | None, job_id: str) -> ResumePoint:
    """Return where a download resumes that has ``written`` bytes.

    It starts from the beginning when the part belongs to another job, or when no strong validator
    proves that the rest belongs to the same bytes.
    """
    if written == 0 or record is None or record.job_id != job_id:
        return FROM_THE_BEGINNING
    if record.size is not None and written > record.size:
        return FROM_THE_BEGINNING
    if not is_strong(record.etag):
        return FROM_THE_BEGINNING
    return ResumePoint(written, (("Range", f"bytes={written}-"), ("If-Range", str(record.etag))))


def is_strong(etag: str | None) -> bool:
    """Return whether an ETag identifies exactly these bytes (RFC 9110, section 8.8.1)."""
    return etag is not None and etag.startswith('"')


@dataclass(frozen=True)
class StoreResponse:
    """Status and headers of a response of the store."""

    status: int
    etag: str | None = None
    content_range: str | None = None
    content_length: int | None = None


class Action(Enum):
    """What to do with a response."""

    WRITE = auto()
    """Write the body at ``offset``."""
    DONE = auto()
    """Do nothing, because all bytes are on the disk."""
    START_OVER = auto()
    """Discard the part and request the whole archive."""
    FRESH_URL = auto()
    """Ask the API for another signed URL: this one is refused, most likely because it expired."""
    WAIT = auto()
    """Repeat the request after a pause."""
    GIVE_UP = auto()
    """End the download: repeating the request cannot help."""


@dataclass(frozen=True)
class Decision:
    """The next action, and the size of the archive if the response has it."""

    action: Action
    offset: int = 0
    size: int | None = None


def decide(point: ResumePoint, record: PartRecord | None, response: StoreResponse) -> Decision:
    """Return what to do with the response to a request from ``point``."""
    restart = Decision(Action.START_OVER if point.offset else Action.GIVE_UP)
    if response.status == 206:
        if _is_other_part(point, record, response):
            return restart
        return Decision(Action.WRITE, point.offset, _content_range(response)[1])
    if response.status == 200:
        # The whole archive: the store does not support ranges, or If-Range found other bytes.
        return Decision(Action.WRITE, 0, response.content_length)
    if response.status == 416:
        size = _content_range(response)[1]
        if size is not None and size == point.offset and size > 0:
            return Decision(Action.DONE, point.offset, size)
        return restart
    if response.status == 412:
        return restart
    if response.status in {400, 401, 403, 404, 410}:
        return Decision(Action.FRESH_URL)
    if response.status in {408, 425, 429} or response.status >= 500:
        return Decision(Action.WAIT)
    return Decision(Action.GIVE_UP)


def _is_other_part(point: ResumePoint, record: PartRecord | None, response: StoreResponse) -> bool:
    """Return whether a partial response does not continue the part on the disk."""
    first, size = _content_range(response)
    if first != point.offset:
        return True
    if record is None or not point.offset:
        return False
    # S3 does not guarantee If-Range, so the ETag and the size of the part are compared as well.
    return (response.etag is not None and response.etag != record.etag) or (
        size is not None and record.size is not None and size != record.size
    )


def _content_range(response: StoreResponse) -> tuple[int | None, int | None]:
    """Return the first byte and the whole size that Content-Range states."""
    match = CONTENT_RANGE.fullmatch(response.content_range or "")
    if match is None:
        return None, None
    first = None if match[1] is None else int(match[1])
    return first, None if match[3] == "*" else int(match[3])
