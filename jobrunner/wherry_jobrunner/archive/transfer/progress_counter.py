"""Counts what is stored in the archive, and reports it.

Parts that are read side by side are stored nearly at once, at the end. Bytes that have been read
therefore count half until their part is stored, so that progress moves from the first second.
"""

from collections.abc import Callable
from typing import Final

from wherry_jobrunner.archive.interface import ArchiveProgress
from wherry_jobrunner.archive.plan.plan import Header, Part, Plan, Range

STEPS: Final = 1_000
"""Largest number of reports of bytes that were read."""


class ProgressCounter:
    """Counts parts as they are stored: a file is completed with its last byte."""

    def __init__(
        self, plan: Plan, total_files: int, report: Callable[[ArchiveProgress], None]
    ) -> None:
        self._plan = plan
        self._report = report
        self._total_files = total_files
        self._left = [member.size for member in plan.members]
        self._total_bytes = sum(source.size for _, source in plan.files)
        self._files = 0
        self._bytes = 0
        self._read = 0
        self._shown = 0

    def read(self, size: int) -> None:
        """Count bytes of a source that were read, and report when the progress changes visibly."""
        self._read += size
        # Bytes that are read again after a fault must not count again.
        ahead = min(max(self._read - self._bytes, 0), self._total_bytes - self._bytes)
        shown = self._bytes + ahead // 2
        if shown - self._shown >= max(self._total_bytes // STEPS, 1):
            self._shown = shown
            self._report(self.now())

    def stored(self, part: Part) -> None:
        """Count ``part`` and report."""
        for segment in part.segments:
            if isinstance(segment, Header) and self._plan.members[segment.member].size == 0:
                self._files += 1
            elif isinstance(segment, Range):
                self._bytes += segment.size
                self._left[segment.member] -= segment.size
                self._files += self._left[segment.member] == 0
        self._shown = max(self._shown, self._bytes)
        self._report(self.now())

    def now(self) -> ArchiveProgress:
        """Return the progress of the archive."""
        return ArchiveProgress(
            total_files=self._total_files,
            completed_files=self._files,
            skipped_files=len(self._plan.skipped),
            total_bytes=self._total_bytes,
            completed_bytes=self._shown,
        )
