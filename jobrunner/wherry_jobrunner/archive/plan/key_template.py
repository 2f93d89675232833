"""From a file id to an object key that cannot leave the template's folder."""

import unicodedata

from wherry_core.percent_decoding import decoded_forms
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store.objects import Target

MAX_KEY_BYTES = 1_024
ID = "{id}"
TENANT = "{tenant}"


def fault_of(file_id: str) -> str | None:
    """Return why ``file_id`` cannot be part of a key, or None.

    S3 keys are literal, but some stores keep objects as files and resolve dots, and some proxies
    decode a path twice. An id that could leave the template's folder in any of them is refused.
    """
    try:
        file_id.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return next((fault for form in decoded_forms(file_id) if (fault := _fault_of_form(form))), None)


def _fault_of_form(form: str) -> str | None:
    if not form:
        return "it is empty"
    if any(unicodedata.category(character) == "Cc" for character in form):
        return "it contains a control character"
    # Full-width dots and slashes become plain ones where a file system or a proxy normalises.
    segments = unicodedata.normalize("NFKC", form).replace("\\", "/").split("/")
    if segments[0] == "":
        return "it begins with a slash"
    if any(segment in {".", ".."} for segment in segments):
        return "it contains a . or .. segment"
    if any(segment == "" for segment in segments):
        return "it contains an empty segment"
    return None


def target_of(
    template: str, tenant: str, file_id: str, forbidden_prefix: str | None = None
) -> Target:
    """Return the key of a tenant's ``file_id`` and its name: the key below the template's folder.

    Raises ArchiveError (InvalidFileId, not retryable) for an id that could leave that folder, or
    whose key is under ``forbidden_prefix``, where the archives of all tenants are.
    """
    fault = fault_of(file_id)
    template = template.replace(TENANT, tenant)
    key = template.replace(ID, file_id)
    if fault is None and forbidden_prefix is not None and key.startswith(forbidden_prefix):
        fault = "its key would be among the archives"
    if fault is None and len(key.encode()) > MAX_KEY_BYTES:
        fault = f"its key would be longer than {MAX_KEY_BYTES} bytes"
    if fault is not None:
        raise ArchiveError(
            "InvalidFileId",
            f"The file id {file_id[:80]!r} cannot be used: {fault}. Ask for another id.",
            retryable=False,
        )
    folder, slash, _ = template.partition(ID)[0].rpartition("/")
    return Target(file_id, key, key[len(folder) + len(slash) :])
