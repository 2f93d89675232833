"""What to do with a file that is there in part, and with what the store answers: pure.

Ranges are those of RFC 9110, section 14; ``If-Range`` is section 13.1.5.
"""

import json
import re
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Final

CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class PartRecord:
    """What is known of the archive of which a part is there; kept in a file beside it."""

    job_id: str
    etag: str | None
    size: int | None

    def to_json(self) -> str:
        """Return the text that is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PartRecord | None":
        """Read what was kept; None when it is not readable, for then nothing is known."""
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
class Start:
    """Where to go on, and with which headers."""

    offset: int
    headers: tuple[tuple[str, str], ...] = ()


FROM_THE_BEGINNING: Final = Start(0)


def start_at(written: int, record: PartRecord | None, job_id: str) -> Start:
    """Return where a download goes on that has ``written`` bytes.

    It starts anew when the part belongs to another job, or when there is no strong validator by
    which to know that it is a part of the same bytes.
    """
    if written == 0 or record is None or record.job_id != job_id:
        return FROM_THE_BEGINNING
    if record.size is not None and written > record.size:
        return FROM_THE_BEGINNING
    if not strong(record.etag):
        return FROM_THE_BEGINNING
    return Start(written, (("Range", f"bytes={written}-"), ("If-Range", str(record.etag))))


def strong(etag: str | None) -> bool:
    """Whether an ETag stands for exactly these bytes."""
    return etag is not None and etag.startswith('"')


@dataclass(frozen=True)
class StoreAnswer:
    """The head of what the store answers."""

    status: int
    etag: str | None = None
    content_range: str | None = None
    content_length: int | None = None


class Step(Enum):
    """What to do next."""

    WRITE = auto()
    """Write the body from ``offset`` on."""
    DONE = auto()
    """All bytes are there already."""
    START_OVER = auto()
    """What is there is of no use: ask for everything."""
    FRESH_URL = auto()
    """The signed URL is refused, most likely for its age: ask the API for another."""
    WAIT = auto()
    """Try again a little later."""
    GIVE_UP = auto()
    """Trying again cannot help."""


@dataclass(frozen=True)
class Verdict:
    """The next step, and what the answer tells of the archive."""

    step: Step
    offset: int = 0
    size: int | None = None


def judge(start: Start, record: PartRecord | None, answer: StoreAnswer) -> Verdict:
    """Return what to do with the store's answer to a request from ``start``."""
    if answer.status == 206:
        return _judge_part(start, record, answer)
    if answer.status == 200:
        # The whole: the store knows no ranges, or If-Range tells it that the bytes are others.
        return Verdict(Step.WRITE, 0, answer.content_length)
    if answer.status == 416:
        size = _range_of(answer)[1]
        if size is not None and size == start.offset and size > 0:
            return Verdict(Step.DONE, start.offset, size)
        return Verdict(Step.START_OVER if start.offset else Step.GIVE_UP)
    if answer.status == 412:
        return Verdict(Step.START_OVER if start.offset else Step.GIVE_UP)
    if answer.status in {400, 401, 403, 404, 410}:
        return Verdict(Step.FRESH_URL)
    if answer.status in {408, 425, 429} or answer.status >= 500:
        return Verdict(Step.WAIT)
    return Verdict(Step.GIVE_UP)


def _judge_part(start: Start, record: PartRecord | None, answer: StoreAnswer) -> Verdict:
    first, size = _range_of(answer)
    known = record if start.offset else None
    # S3 promises nothing about If-Range, so the part's own ETag and size are compared as well.
    other_bytes = known is not None and (
        (answer.etag is not None and answer.etag != known.etag)
        or (size is not None and known.size is not None and size != known.size)
    )
    if first != start.offset or other_bytes:
        return Verdict(Step.START_OVER if start.offset else Step.GIVE_UP)
    return Verdict(Step.WRITE, start.offset, size)


def _range_of(answer: StoreAnswer) -> tuple[int | None, int | None]:
    """Return the first byte and the whole size that Content-Range tells."""
    match = CONTENT_RANGE.fullmatch(answer.content_range or "")
    if match is None:
        return None, None
    first = None if match[1] is None else int(match[1])
    return first, None if match[3] == "*" else int(match[3])
