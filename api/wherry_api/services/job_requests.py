"""The body of ``POST /v1/download/initiate``: checked, and in canonical form.

Checked by hand and not by a schema, so that one wrong id among ten thousand is answered with one
sentence that names its index.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_core.resources import OnMissing
from wherry_core.resources.download_job import MAX_FILE_ID_LENGTH, MAX_FILE_IDS

KEY_HEADER: Final = "Idempotency-Key"
MAX_KEY_LENGTH: Final = 255
MAX_ARCHIVE_NAME_LENGTH: Final = 200
FIELDS: Final = frozenset({"file_ids", "jobId", "archiveName", "onMissing"})
CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f]")
ARCHIVE_NAME: Final = re.compile(r"[^/\\\x00-\x1f\x7f]+")
KEY: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class JobRequest:
    """A request in canonical form: equal requests are equal values."""

    file_ids: tuple[str, ...]
    archive_name: str | None = None
    on_missing: OnMissing = OnMissing.FAIL
    key: str | None = None

    @property
    def total_files(self) -> int:
        """Requested files; duplicates count once."""
        return len(set(self.file_ids))

    @property
    def digest(self) -> str:
        """SHA-256 of the request without its key: equal for equal requests."""
        canonical = orjson.dumps([self.file_ids, self.archive_name, self.on_missing.value])
        return hashlib.sha256(canonical).hexdigest()

    def spec(self, pool: str) -> dict[str, Any]:
        """Return the spec of the DownloadJob, for the runners of ``pool``."""
        spec: dict[str, Any] = {
            "fileIDs": self.file_ids,
            "onMissing": self.on_missing.value,
            "pool": pool,
        }
        if self.archive_name is not None:
            spec["archiveName"] = self.archive_name
        return spec


def invalid(pointer: str, detail: str) -> ProblemError:
    """Return a 422 about the part of the body at ``pointer`` (RFC 6901)."""
    return ProblemError(
        problems.INVALID_REQUEST, detail, errors=[{"pointer": pointer, "detail": detail}]
    )


def parse(body: bytes, key_header: str | None) -> JobRequest:
    """Return the request in a body and an Idempotency-Key header.

    Raises ProblemError 400, 413 or 422, which says what to change.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(
            problems.MALFORMED_BODY, f"The body is not valid JSON: {error}. Correct it."
        ) from None
    if not isinstance(document, dict):
        raise ProblemError(
            problems.MALFORMED_BODY,
            'The body is not a JSON object. Send one such as {"file_ids": [70000, 70001]}.',
        )
    for field in document:
        if field not in FIELDS:
            raise invalid(
                f"/{field[:80].replace('~', '~0').replace('/', '~1')}",
                f"The field {field[:80]!r} is unknown. Use {', '.join(sorted(FIELDS))}.",
            )
    return JobRequest(
        file_ids=_file_ids(document),
        archive_name=_archive_name(document.get("archiveName")),
        on_missing=_on_missing(document.get("onMissing")),
        key=_key(document.get("jobId"), key_header),
    )


def _file_ids(document: dict[str, Any]) -> tuple[str, ...]:
    if "file_ids" not in document:
        raise invalid("/file_ids", "file_ids is missing. Send a list of file ids.")
    ids = document["file_ids"]
    if not isinstance(ids, list):
        raise invalid("/file_ids", "file_ids is not a list. Send a list of numbers or strings.")
    if not ids:
        raise invalid("/file_ids", "file_ids is empty. Send at least one file id.")
    if len(ids) > MAX_FILE_IDS:
        raise ProblemError(
            problems.TOO_MANY_FILE_IDS,
            f"file_ids has {len(ids)} entries, more than {MAX_FILE_IDS}. Split the request.",
            errors=[{"pointer": f"/file_ids/{MAX_FILE_IDS}", "detail": "too many ids"}],
        )
    return tuple(_file_id(value, index) for index, value in enumerate(ids))


def _file_id(value: Any, index: int) -> str:
    where = f"/file_ids/{index}"
    # A bool is an int in Python, so the type is compared and not tested with isinstance.
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        kind = {bool: "a boolean", float: "not a whole number of at most 64 bits"}.get(
            type(value), "null" if value is None else "a list or an object"
        )
        raise invalid(where, f"file_ids[{index}] is {kind}. Send a whole number or a string.")
    if not value:
        raise invalid(where, f"file_ids[{index}] is an empty string. Send an id or leave it out.")
    if len(value) > MAX_FILE_ID_LENGTH:
        raise invalid(
            where,
            f"file_ids[{index}] has {len(value)} characters, more than {MAX_FILE_ID_LENGTH}. Send "
            "a shorter id.",
        )
    if CONTROL_CHARACTERS.search(value):
        raise invalid(where, f"file_ids[{index}] contains a control character. Remove it.")
    return value


def _archive_name(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not ARCHIVE_NAME.fullmatch(value):
        raise invalid(
            "/archiveName",
            "archiveName is not a file name. Send one that is not empty and has no slash, "
            "backslash or control character.",
        )
    if len(value) > MAX_ARCHIVE_NAME_LENGTH:
        raise invalid(
            "/archiveName",
            f"archiveName has more than {MAX_ARCHIVE_NAME_LENGTH} characters. Send a shorter name.",
        )
    return value


def _on_missing(value: Any) -> OnMissing:
    if value is None:
        return OnMissing.FAIL
    if not isinstance(value, str) or value not in set(OnMissing):
        raise invalid("/onMissing", "onMissing has an unknown value. Send Fail or Manifest.")
    return OnMissing(value)


def _key(job_id: Any, header: str | None) -> str | None:
    for name, place, value in (
        ("jobId", {"pointer": "/jobId"}, job_id),
        (f"The header {KEY_HEADER}", {"header": KEY_HEADER}, header),
    ):
        if value is None:
            continue
        if not isinstance(value, str) or not KEY.fullmatch(value) or len(value) > MAX_KEY_LENGTH:
            detail = (
                f"{name} is not a valid key. Send 1 to {MAX_KEY_LENGTH} printable ASCII characters "
                "without spaces."
            )
            raise ProblemError(
                problems.INVALID_REQUEST, detail, errors=[{**place, "detail": detail}]
            )
    if job_id is not None and header is not None and job_id != header:
        raise invalid(
            "/jobId", "jobId and the header Idempotency-Key differ. Send only one of them."
        )
    return header if header is not None else job_id
