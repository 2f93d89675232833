"""Numbers, times and job states as text for a person. Pure functions."""

from collections import deque
from datetime import datetime
from itertools import pairwise
from typing import Final

from rich.filesize import decimal

from wherry_client.models import JobState, JobStatus

WINDOW_SECONDS: Final = 30.0


def plain(text: str) -> str:
    """Return ``text`` without control characters: a server must not control the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def count(number: int, noun: str) -> str:
    """Return ``1 file``, ``2 files``, ``10,000 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Return a duration in its one or two largest units: ``42 s``, ``3 min 5 s``, ``2 h``."""
    whole = max(0, round(seconds))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for (name, size), (small_name, small_size) in pairwise(units):
        if whole >= size:
            big, rest = divmod(whole, size)
            small = rest // small_size
            return f"{big} {name}" + (f" {small} {small_name}" if small else "")
    return f"{whole} s"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago ``moment`` was, in its largest unit."""
    return " ".join(duration((now - moment).total_seconds()).split()[:2]) + " ago"


def size_of(status: JobStatus) -> str:
    """Return the size of the archive, or an empty string."""
    return "" if status.size is None else decimal(status.size)


def headline(status: JobStatus) -> str:
    """Return the state of a job in one line."""
    if status.state is JobState.QUEUED:
        position = status.queue_position
        where = f", number {position:,} in the queue" if position else ""
        return f"queued{where}: {count(status.total_files, 'file')}"
    if status.state is JobState.PROCESSING:
        done, total = status.completed_files, count(status.total_files, "file")
        return f"processing: {status.progress}%, {done:,} of {total}"
    if status.state is JobState.FAILED:
        return f"failed: {plain(status.error or 'the server gives no reason')}"
    size = f", {size_of(status)}" if status.size is not None else ""
    files = count(status.total_files, "file")
    if status.completed_files < status.total_files:
        files = f"{status.completed_files:,} of {files}"
    return f"completed: {files}{size}"


def needs_line(status: JobStatus, shown: JobStatus | None, seconds: float) -> bool:
    """Return whether to log ``status``, ``seconds`` after ``shown`` was logged."""
    if shown is None or status.state is not shown.state:
        return True
    if status.state is JobState.QUEUED:
        return status.queue_position != shown.queue_position
    return status.progress // 10 != shown.progress // 10 or (status != shown and seconds >= 30)


class RateMeter:
    """Measures files a second and the time left over the last 30 seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def add(self, at: float, status: JobStatus) -> None:
        """Add the progress at a time in seconds; a new attempt discards the earlier ones."""
        if self._samples and status.completed_files < self._samples[-1][1]:
            self._samples.clear()
        self._samples.append((at, status.completed_files, status.progress))
        while len(self._samples) > 2 and at - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    def rate(self, now: float) -> float | None:
        """Return files a second, or None when it is too early to say."""
        return self._speed(1, now)

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until the job is complete, or None when it is too early to say."""
        speed = self._speed(2, now)
        return None if not speed else (100 - self._samples[-1][2]) / speed

    def _speed(self, field: int, now: float) -> float | None:
        if not self._samples:
            return None
        first, last = self._samples[0], self._samples[-1]
        grown, seconds = last[field] - first[field], now - first[0]
        return grown / seconds if grown > 0 and seconds >= 1 else None


def bar_width(columns: int) -> int:
    """Return the width of a bar that leaves room for the numbers behind it."""
    return max(5, min(30, columns - 65))


def rate_text(files_per_second: float | None) -> str:
    """Return a rate in the unit in which it is at least one: files a second, minute or hour."""
    if files_per_second is None:
        return ""
    for unit, seconds in (("s", 1), ("min", 60)):
        if files_per_second * seconds >= 1:
            return f"{files_per_second * seconds:.0f} files/{unit}"
    return f"{files_per_second * 3600:.0f} files/h"
