"""Keys of archives in the store: where a job's objects are, and which may be handed out."""

from wherry_core.percent_decoding import decoded_forms
from wherry_core.settings import StoreSettings


def archive_folder(settings: StoreSettings, namespace: str, uid: str) -> str:
    """Return the key prefix of all objects of one job."""
    return f"{settings.archive_prefix}{namespace}/{uid}/"


def archive_key(
    settings: StoreSettings, namespace: str, uid: str, attempt: int, archive_name: str
) -> str:
    """Return the object key of one attempt's archive; no two attempts share a key."""
    return f"{archive_folder(settings, namespace, uid)}{attempt}/{archive_name}"


def is_result_of(settings: StoreSettings, namespace: str, uid: str, bucket: str, key: str) -> bool:
    """Return whether an object may be a job's result: in the job's folder, or a source object.

    The result of a job with a single file is the source object itself, under any key that the
    catalogue gives. Every other location was written into the status by something that is not a
    runner, and must not be signed. A key with ``..`` must not be signed either, because stores
    that keep objects as files follow it out of the folder.
    """
    if _leads_elsewhere(key):
        return False
    if bucket == settings.archive_bucket and key.startswith(settings.archive_prefix):
        return is_below(key, archive_folder(settings, namespace, uid))
    return bucket == settings.source_bucket


def is_below(key: str, folder: str) -> bool:
    """Return whether ``key`` is below ``folder`` after any decoding by a store or proxy."""
    return key.startswith(folder) and not _leads_elsewhere(key)


def _leads_elsewhere(key: str) -> bool:
    for form in decoded_forms(key):
        segments = form.replace("\\", "/").split("/")
        if segments[0] == "" or any(segment in {".", ".."} for segment in segments):
            return True
    return False
