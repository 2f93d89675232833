"""The archive engine: from file ids to one verified ZIP archive in the store."""

from wherry_jobrunner.archive.engine import bundle
from wherry_jobrunner.archive.interface import (
    ArchiveError,
    ArchiveProgress,
    ArchiveRequest,
    ArchiveResult,
)
from wherry_jobrunner.archive.settings import ArchiveSettings

__all__ = [
    "ArchiveError",
    "ArchiveProgress",
    "ArchiveRequest",
    "ArchiveResult",
    "ArchiveSettings",
    "bundle",
]
