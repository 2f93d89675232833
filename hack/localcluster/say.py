"""Progress output and the error type of the tool."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_began = time.monotonic()


class SetupError(Exception):
    """Raised when setup fails; the message says what to do.

    `log` is the file with the details, or None.
    """

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.log = log

    def __str__(self) -> str:
        return self.sentence if self.log is None else f"{self.sentence}\nThe log is {self.log}"


def line(text: str) -> None:
    """Write one line of progress to standard error; results go to standard output."""
    print(f"[{time.monotonic() - _began:6.1f}s] {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Format a duration: 4.1s, 3m20s."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the start of an operation, and how long it took."""
    began = time.monotonic()
    line(f"{what} …")
    yield
    line(f"{what} done in {duration(time.monotonic() - began)}")
