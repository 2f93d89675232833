"""How far an attempt is, in the figures that followers see."""

from dataclasses import dataclass
from typing import Final

from wherry_core.resources import ByteCounts, DownloadJob, FileCounts
from wherry_jobrunner.archive.interface import ArchiveProgress

ALMOST_DONE: Final = 99
"""100 per cent are shown only when the archive is stored and the job completed."""


@dataclass(frozen=True)
class Figures:
    """Counts of files and bytes, and the per cent that are done."""

    percent: int
    files: FileCounts
    bytes: ByteCounts


def first_figures(job: DownloadJob) -> Figures:
    """Return the figures of an attempt that has just been claimed."""
    total = job.status.files.total or len(set(job.spec.file_ids))
    return Figures(percent=0, files=FileCounts(total=total), bytes=ByteCounts())


def figures_of(progress: ArchiveProgress, before: Figures) -> Figures:
    """Return the figures for ``progress``; nothing falls below ``before``."""
    if progress.total_bytes > 0:
        percent = progress.completed_bytes * 100 // progress.total_bytes
    elif progress.total_files > 0:
        done = progress.completed_files + progress.skipped_files
        percent = done * 100 // progress.total_files
    else:
        percent = 0
    return Figures(
        percent=max(before.percent, min(percent, ALMOST_DONE)),
        files=FileCounts(
            total=progress.total_files,
            completed=max(before.files.completed, progress.completed_files),
            skipped=max(before.files.skipped, progress.skipped_files),
        ),
        bytes=ByteCounts(
            total=progress.total_bytes,
            completed=max(before.bytes.completed, progress.completed_bytes),
        ),
    )
