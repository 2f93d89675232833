"""Estimated times of jobs, from the jobs that this process has seen complete."""

import math
from typing import Final

from cachetools import LRUCache

from wherry_core.job_snapshot import JobSnapshot, JobStatus

ENOUGH_MEASUREMENTS: Final = 5
WEIGHT: Final = 0.1
"""Weight of the newest job in the moving average (exponential smoothing, Brown 1959)."""
MAX_ENTRIES: Final = 10_000
"""Ended jobs that are remembered, so that none is measured twice."""


class Estimates:
    """A moving average of seconds per file over jobs; a default until enough are measured."""

    def __init__(self, default_seconds_per_file: float) -> None:
        self._default = default_seconds_per_file
        self._average = 0.0
        self._count = 0
        self._seen: LRUCache[str, bool] = LRUCache(MAX_ENTRIES)

    @property
    def seconds_per_file(self) -> float:
        """Estimated seconds per file."""
        return self._average if self._count >= ENOUGH_MEASUREMENTS else self._default

    def seconds(self, files: int) -> int:
        """Return the estimate for ``files`` files in whole seconds, rounded up."""
        return math.ceil(files * self.seconds_per_file)

    def first_sight(self, snapshot: JobSnapshot) -> bool:
        """Measure an ended job; return False when it has not ended or was seen before."""
        if not snapshot.terminal or snapshot.uid in self._seen:
            return False
        self._seen[snapshot.uid] = True
        if (
            snapshot.status is JobStatus.COMPLETED
            and snapshot.started_at
            and snapshot.completed_at
            and snapshot.total_files
        ):
            took = (snapshot.completed_at - snapshot.started_at).total_seconds()
            self._measure(max(took, 0.0) / snapshot.total_files)
        return True

    def _measure(self, seconds_per_file: float) -> None:
        self._count += 1
        # The first jobs count equally, so that none of them dominates the average.
        weight = max(WEIGHT, 1 / self._count)
        self._average += weight * (seconds_per_file - self._average)
