"""Counting what is stored in the archive, and telling it."""

from collections.abc import Callable

from wherry_jobrunner.archive.interface import ArchiveProgress
from wherry_jobrunner.archive.plan import Header, Part, Plan, Range


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

    def stored(self, part: Part) -> None:
        """Count ``part`` and report."""
        for segment in part.segments:
            if isinstance(segment, Header) and self._plan.members[segment.member].size == 0:
                self._files += 1
            elif isinstance(segment, Range):
                self._bytes += segment.size
                self._left[segment.member] -= segment.size
                self._files += self._left[segment.member] == 0
        self._report(self.now())

    def now(self) -> ArchiveProgress:
        """Return how far the archive is."""
        return ArchiveProgress(
            total_files=self._total_files,
            completed_files=self._files,
            skipped_files=len(self._plan.skipped),
            total_bytes=self._total_bytes,
            completed_bytes=self._bytes,
        )
