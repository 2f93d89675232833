"""The engine's request, progress, result and error."""

from dataclasses import dataclass

from wherry_core.resources import Archive
from wherry_core.resources.download_job import OnMissing


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """One attempt at one archive."""

    namespace: str
    uid: str
    attempt: int
    file_ids: tuple[str, ...]
    archive_name: str
    on_missing: OnMissing
    job: str
    """Key of the job, for logs."""


@dataclass(frozen=True, slots=True)
class ArchiveProgress:
    """The progress of an archive; files and bytes count once they are stored in the archive."""

    total_files: int
    completed_files: int
    skipped_files: int
    total_bytes: int
    completed_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """A finished, verified archive."""

    archive: Archive
    progress: ArchiveProgress


class ArchiveError(Exception):
    """An attempt that cannot go on.

    ``reason`` is one CamelCase word, ``message`` a sentence for the user (no secrets, no internal
    addresses); ``retryable`` is False when another attempt cannot help.
    """

    def __init__(self, reason: str, message: str, *, retryable: bool) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.retryable = retryable
