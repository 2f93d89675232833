"""The errors of an attempt that the store causes, with their sentences for users."""

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store.objects import SourceObject


def source_changed(source: SourceObject) -> ArchiveError:
    """Return the error for an object that is no longer the planned version."""
    return ArchiveError(
        "SourceChanged",
        f"The object {source.key!r} of file id {source.file_id!r} was replaced or deleted while "
        "the archive was being made.",
        retryable=True,
    )


def source_corrupt(source: SourceObject) -> ArchiveError:
    """Return the error for an object whose bytes do not match its checksum."""
    return ArchiveError(
        "SourceCorrupt",
        f"The object {source.key!r} of file id {source.file_id!r} does not match the CRC-32 that "
        "the store keeps for it.",
        retryable=True,
    )


def no_such_bucket(of_what: str, setting: str) -> ArchiveError:
    """Return the error for a bucket that does not exist, although ``setting`` names it."""
    return ArchiveError(
        "NoSuchBucket",
        f"The bucket of the {of_what} does not exist. Create it, or set {setting}.",
        retryable=False,
    )


def upload_lost() -> ArchiveError:
    """Return the error for a multipart upload that no longer exists."""
    return ArchiveError(
        "UploadLost",
        "The store no longer has this attempt's upload: it was aborted or taken over.",
        retryable=True,
    )


def archive_wrong(what: str) -> ArchiveError:
    """Return the error for a stored archive that is not the planned one."""
    return ArchiveError(
        "ArchiveVerificationFailed",
        f"The stored archive is not the one that was written: {what}.",
        retryable=True,
    )


def refused(status: int, what: str) -> ArchiveError:
    """Return the error for an answer that a retry of the same request cannot change."""
    if status in {401, 403}:
        return ArchiveError(
            "StoreAccessDenied",
            f"The store does not let the runner {what} (HTTP {status}). Check the permissions of "
            "its credentials.",
            retryable=False,
        )
    return ArchiveError(
        "StoreRefused", f"The store refused to {what} (HTTP {status}).", retryable=True
    )


def store_unavailable(what: str, attempts: int, error: BaseException) -> ArchiveError:
    """Return the error for a request that failed at every try."""
    return ArchiveError(
        "StoreUnavailable",
        f"The store did not {what} in {attempts} tries; the last one ended with {describe(error)}.",
        retryable=True,
    )


def describe(error: BaseException) -> str:
    """Describe ``error`` without addresses: messages of HTTP clients contain hosts and ports."""
    names = {
        "TimeoutError": "a timeout",
        "ServerTimeoutError": "a timeout",
        "SocketTimeoutError": "a timeout",
        "ConnectionTimeoutError": "a timeout",
        "TruncatedError": "a truncated body",
        "ClientPayloadError": "a truncated body",
        "ServerDisconnectedError": "a lost connection",
        "ClientOSError": "a lost connection",
        "ConnectionResetError": "a lost connection",
        "ClientConnectorError": "no connection",
        "PassingStatusError": str(error),
    }
    return names.get(type(error).__name__, type(error).__name__)
