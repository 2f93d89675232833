"""Exit statuses, messages and hints of failed commands."""

import errno

import pytest

from wherry_client import errors
from wherry_client.cli.exit_status import ExitStatus, failure_of
from wherry_client.errors import WherryError, error_of, parse_problem

URL = "http://127.0.0.1:3000"


def problem(slug: str, status: int, retry_after: str | None = None) -> errors.ProblemError:
    document = {"type": f"urn:wherry:problem:{slug}", "detail": "Why."}
    return error_of(parse_problem(status, document, retry_after))


@pytest.mark.parametrize(
    ("error", "status", "hint"),
    [
        (problem("job-failed", 409), 1, "wherry retry j"),
        (problem("job-not-ready", 409), 2, "wherry download --wait j"),
        (problem("job-not-found", 404), 2, "wherry list"),
        (problem("unauthenticated", 401), 2, "WHERRY_TOKEN"),
        (problem("idempotency-key-reused", 422), 2, "--key"),
        (problem("too-many-file-ids", 413), 2, ""),
        (problem("rate-limited", 429, "20"), 3, "again in 20 s"),
        (problem("unavailable", 503, "5"), 3, "again in 5 s"),
        (problem("internal-error", 500), 3, ""),
        (errors.BadArgumentError("Why."), 2, ""),
        (errors.UnreachableError("Why."), 3, "WHERRY_URL"),
        (errors.UnexpectedAnswerError("Why."), 3, URL),
        (errors.DownloadError("Why."), 3, ""),
        (FileExistsError("Why."), 2, "--force"),
        (FileNotFoundError("Why."), 2, "-o"),
        (error_of(parse_problem(403, None)), 2, URL),
        (error_of(parse_problem(502, None)), 3, URL),
        (OSError(errno.ENOSPC, "No space left on device", "x.zip"), 3, "resumes from there"),
    ],
)
def test_failure_of(error: WherryError | OSError, status: int, hint: str) -> None:
    failure = failure_of(error, URL, "j")
    assert failure.status == status
    assert hint in failure.hint
    assert failure.sentence.endswith(".")


def test_faults_missing_from_the_sentence_become_details() -> None:
    document = {
        "type": "urn:wherry:problem:invalid-request",
        "detail": "limit is 0.",
        "errors": [
            {"parameter": "limit", "detail": "limit is 0."},
            {"pointer": "/a", "detail": "b"},
        ],
    }
    assert failure_of(error_of(parse_problem(422, document)), URL).details == ("/a: b",)
    assert failure_of(error_of(parse_problem(422, document)), URL).status is ExitStatus.USAGE


def test_a_retry_is_not_suggested_when_files_are_missing() -> None:
    failed = problem("job-failed", 409)
    assert "--on-missing manifest" in failure_of(failed, URL, "j", files_missing=True).hint
    assert "retry" not in failure_of(failed, URL, "j", files_missing=True).hint


@pytest.mark.parametrize("url", [f"{URL}/v1", f"{URL}/v1/"])
def test_a_url_that_includes_the_prefix_is_explained(url: str) -> None:
    assert "Leave out /v1" in failure_of(problem("not-found", 404), url).hint
    assert "Leave out /v1" not in failure_of(problem("not-found", 404), URL).hint
