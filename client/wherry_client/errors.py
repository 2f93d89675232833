"""The exceptions of this package; those that the server causes carry its RFC 9457 problem."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

PROBLEM_PREFIX: Final = "urn:wherry:problem:"


class WherryError(Exception):
    """Base of all exceptions of this package; ``str()`` of one is a sentence for a person."""


class BadArgumentError(WherryError, ValueError):
    """An argument cannot be valid; nothing was sent."""


class UnreachableError(WherryError):
    """The server or the store of the archives could not be reached, or stopped answering."""


class UnexpectedAnswerError(WherryError):
    """The answer is not one of Wherry's API; usually the URL is wrong, or a proxy answered."""


class DownloadError(WherryError):
    """The store does not deliver the job's archive, or another download writes the same file."""


@dataclass(frozen=True)
class Fault:
    """One part of a request that the server rejects."""

    where: str
    """A JSON pointer into the body (RFC 6901), or the name of a query parameter."""
    detail: str


@dataclass(frozen=True)
class Problem:
    """A problem document (RFC 9457)."""

    status: int
    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    faults: tuple[Fault, ...] = ()
    retry_after: float | None = None
    """Seconds to wait before the request is repeated, if the server says so."""
    members: Mapping[str, Any] = field(default_factory=dict)
    """The document's other members, such as jobStatus."""

    @property
    def is_blank(self) -> bool:
        """Whether the answer had no problem document, as a proxy's answer."""
        return self.type == "about:blank"


class ProblemError(WherryError):
    """The server refused the request; ``problem`` has the reasons."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(
            problem.detail
            or problem.title
            or f"The server answered {problem.status} without a reason."
        )
        self.problem = problem

    def __reduce__(self) -> tuple[type["ProblemError"], tuple[Problem]]:
        """Pickle the problem; the default would pass the text to the constructor."""
        return (type(self), (self.problem,))


class InvalidRequestError(ProblemError):
    """The request is not valid; ``problem.faults`` may name the parts."""


class TooManyFilesError(InvalidRequestError):
    """The request has more ids than one job accepts, or is too large. Split it."""


class KeyReusedError(InvalidRequestError):
    """The idempotency key belongs to another request."""


class CursorExpiredError(InvalidRequestError):
    """The cursor has expired. Start the listing again."""


class UnauthenticatedError(ProblemError):
    """The token is missing, wrong or expired."""


class ForbiddenError(ProblemError):
    """The token is valid but lacks the permission."""


class JobNotFoundError(ProblemError):
    """There is no such job for this token."""


class JobExpiredError(ProblemError):
    """The job and its archive have expired."""


class JobNotReadyError(ProblemError):
    """The job has not completed yet. Wait for it."""


class JobFailedError(ProblemError):
    """The job failed or was cancelled; it has no archive."""


class JobNotEndedError(ProblemError):
    """The job cannot be retried: it has not failed and was not cancelled."""


class RateLimitedError(ProblemError):
    """Too many requests, jobs or streams. Retry after ``problem.retry_after`` seconds."""


class UnavailableError(ProblemError):
    """The service is unavailable. Retry after ``problem.retry_after`` seconds."""


class ServerError(ProblemError):
    """Internal error of the server."""


_BY_SLUG: Final[dict[str, type[ProblemError]]] = {
    "job-not-found": JobNotFoundError,
    "job-not-ready": JobNotReadyError,
    "job-failed": JobFailedError,
    "job-not-ended": JobNotEndedError,
    "job-expired": JobExpiredError,
    "cursor-expired": CursorExpiredError,
    "body-too-large": TooManyFilesError,
    "too-many-file-ids": TooManyFilesError,
    "idempotency-key-reused": KeyReusedError,
}
_BY_STATUS: Final[dict[int, type[ProblemError]]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    429: RateLimitedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3), or None."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def parse_problem(status: int, document: Any, retry_after: str | None = None) -> Problem:
    """Return the problem in an error answer; a document of another form gives a blank one."""
    known = document if isinstance(document, dict) else {}
    seconds = parse_retry_after(retry_after)
    if not isinstance(known.get("type"), str):
        return Problem(status=status, retry_after=seconds)
    listed = known.get("errors")
    faults = tuple(
        Fault(str(each.get("pointer") or each.get("parameter") or ""), str(each.get("detail", "")))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    )
    named = {"type", "title", "status", "detail", "errors"}
    return Problem(
        status=status,
        type=known["type"],
        title=str(known.get("title", "")),
        detail=str(known.get("detail", "")),
        faults=faults,
        retry_after=seconds,
        members={name: value for name, value in known.items() if name not in named},
    )


def error_of(problem: Problem) -> ProblemError:
    """Return the exception for a problem, chosen by its type or else by its status."""
    kind = _BY_SLUG.get(problem.type.removeprefix(PROBLEM_PREFIX)) or _BY_STATUS.get(problem.status)
    if kind is None:
        kind = ServerError if problem.status >= 500 else InvalidRequestError
    return kind(problem)
