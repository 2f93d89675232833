"""The problem types of the API (RFC 9457), and the error that answers with one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class ProblemType:
    """One row of the table of problem types in docs/api.md."""

    slug: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The problem document's ``type``."""
        return f"urn:wherry:problem:{self.slug}"


MALFORMED_BODY: Final = ProblemType("malformed-body", 400, "The body is not a JSON object")
UNAUTHENTICATED: Final = ProblemType("unauthenticated", 401, "Credentials are missing or invalid")
FORBIDDEN: Final = ProblemType("forbidden", 403, "Not allowed for this tenant")
NOT_FOUND: Final = ProblemType("not-found", 404, "No such route")
JOB_NOT_FOUND: Final = ProblemType("job-not-found", 404, "No such job")
METHOD_NOT_ALLOWED: Final = ProblemType("method-not-allowed", 405, "Method not allowed")
BODY_TOO_SLOW: Final = ProblemType("body-too-slow", 408, "The body did not arrive in time")
JOB_NOT_READY: Final = ProblemType("job-not-ready", 409, "The archive is not ready yet")
JOB_FAILED: Final = ProblemType("job-failed", 409, "The job has no archive")
JOB_NOT_ENDED: Final = ProblemType("job-not-ended", 409, "The job has not failed")
JOB_EXPIRED: Final = ProblemType("job-expired", 410, "The job has expired")
CURSOR_EXPIRED: Final = ProblemType("cursor-expired", 410, "The cursor has expired")
BODY_TOO_LARGE: Final = ProblemType("body-too-large", 413, "The body is too large")
TOO_MANY_FILE_IDS: Final = ProblemType("too-many-file-ids", 413, "Too many file ids")
UNSUPPORTED_MEDIA_TYPE: Final = ProblemType(
    "unsupported-media-type", 415, "The body must be application/json"
)
MISDIRECTED: Final = ProblemType("wrong-host", 421, "The request is for another host")
INVALID_REQUEST: Final = ProblemType("invalid-request", 422, "The request is not valid")
KEY_REUSED: Final = ProblemType(
    "idempotency-key-reused", 422, "The idempotency key belongs to another request"
)
RATE_LIMITED: Final = ProblemType("rate-limited", 429, "Too many requests")
QUOTA_EXCEEDED: Final = ProblemType("quota-exceeded", 429, "The tenant has too many jobs")
TOO_MANY_STREAMS: Final = ProblemType("too-many-streams", 429, "Too many open streams")
HEADERS_TOO_LARGE: Final = ProblemType("headers-too-large", 431, "The headers are too large")
INTERNAL_ERROR: Final = ProblemType("internal-error", 500, "Internal error")
UNAVAILABLE: Final = ProblemType("unavailable", 503, "Temporarily unavailable")

PROBLEM_TYPES: Final = tuple(
    value for value in list(globals().values()) if isinstance(value, ProblemType)
)
"""All problem types, by status."""


class ProblemError(Exception):
    """Raised in routes and services; answers the request with a problem document."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        return {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            **self.members,
        }


def job_not_found(name: str) -> ProblemError:
    """Return the same 404 for a job that does not exist and for one of another tenant."""
    return ProblemError(
        JOB_NOT_FOUND, f"No job {name[:80]!r} exists for this tenant. Check the job id."
    )


def unavailable(what: str, *, retry_after_seconds: int = 5) -> ProblemError:
    """Return a 503; ``what`` is the sentence that says what is unavailable."""
    return ProblemError(
        UNAVAILABLE,
        f"{what} Retry in {retry_after_seconds} seconds.",
        headers={"Retry-After": str(retry_after_seconds)},
    )
