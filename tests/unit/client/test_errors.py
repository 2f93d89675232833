"""Exceptions from problem documents."""

import pickle
from datetime import UTC, datetime

import pytest

from wherry_api.http.problems import PROBLEM_TYPES, ProblemType
from wherry_client import errors
from wherry_client.errors import Fault, error_of, parse_problem, parse_retry_after

EXPECTED = {
    "malformed-body": errors.InvalidRequestError,
    "unauthenticated": errors.UnauthenticatedError,
    "forbidden": errors.ForbiddenError,
    "job-not-found": errors.JobNotFoundError,
    "job-not-ready": errors.JobNotReadyError,
    "job-failed": errors.JobFailedError,
    "job-not-ended": errors.JobNotEndedError,
    "job-expired": errors.JobExpiredError,
    "cursor-expired": errors.CursorExpiredError,
    "body-too-large": errors.TooManyFilesError,
    "too-many-file-ids": errors.TooManyFilesError,
    "idempotency-key-reused": errors.KeyReusedError,
    "rate-limited": errors.RateLimitedError,
    "quota-exceeded": errors.RateLimitedError,
    "too-many-streams": errors.RateLimitedError,
    "internal-error": errors.ServerError,
    "unavailable": errors.UnavailableError,
}


@pytest.mark.parametrize("kind", PROBLEM_TYPES, ids=lambda kind: kind.slug)
def test_every_problem_type_of_the_api_has_its_exception(kind: ProblemType) -> None:
    document = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": "Why."}
    error = error_of(parse_problem(kind.status, document))
    assert type(error) is EXPECTED.get(kind.slug, errors.InvalidRequestError)
    assert str(error) == "Why."


def test_a_problem_keeps_all_members() -> None:
    document = {
        "type": "urn:wherry:problem:invalid-request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "file_ids[1] is null.",
        "errors": [{"pointer": "/file_ids/1", "detail": "null"}, {"parameter": "limit"}, 7],
        "jobStatus": "queued",
    }
    problem = parse_problem(422, document, "12")
    assert problem.faults == (Fault("/file_ids/1", "null"), Fault("limit", ""))
    assert problem.members == {"jobStatus": "queued"}
    assert problem.retry_after == 12
    copy = pickle.loads(pickle.dumps(error_of(problem)))  # noqa: S301
    assert copy.problem == problem


@pytest.mark.parametrize("document", [None, [], "nginx", {}, {"type": 7}])
def test_an_answer_without_a_problem_document_is_classified_by_status(document: object) -> None:
    error = error_of(parse_problem(503, document, "5"))
    assert isinstance(error, errors.UnavailableError)
    assert error.problem.retry_after == 5
    assert str(error) == "The server answered 503 without a reason."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("soon", None),
        ("Tue, 01 Jan 2030 00:00:30 GMT", 30.0),
        ("Mon, 31 Dec 2029 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, datetime(2030, 1, 1, tzinfo=UTC)) == expected
