"""How far an attempt is, in the numbers that clients see."""

from dataclasses import dataclass
from typing import Final

from wherry_core.resources import ByteCounts, DownloadJob, FileCounts
from wherry_jobrunner.archive.interface import ArchiveProgress

ALMOST_DONE: Final = 99
"""100 per cent are shown only when the archive is stored and the job completed."""


@dataclass(frozen=True)
class Progress:
    """Counts of files and bytes, and the percentage that is done."""

    percent: int
    files: FileCounts
    bytes: ByteCounts


def initial_progress(job: DownloadJob) -> Progress:
    """Return the progress of an attempt that has just been claimed."""
    total = job.status.files.total or len(set(job.spec.file_ids))
    return Progress(percent=0, files=FileCounts(total=total), bytes=ByteCounts())


def progress_of(archive: ArchiveProgress, before: Progress) -> Progress:
    """Return the progress of the job from that of its archive; no number falls below ``before``."""
    if archive.total_bytes > 0:
        percent = archive.completed_bytes * 100 // archive.total_bytes
    elif archive.total_files > 0:
        done = archive.completed_files + archive.skipped_files
        percent = done * 100 // archive.total_files
    else:
        percent = 0
    return Progress(
        percent=max(before.percent, min(percent, ALMOST_DONE)),
        files=FileCounts(
            total=archive.total_files,
            completed=max(before.files.completed, archive.completed_files),
            skipped=max(before.files.skipped, archive.skipped_files),
        ),
        bytes=ByteCounts(
            total=archive.total_bytes,
            completed=max(before.bytes.completed, archive.completed_bytes),
        ),
    )
