"""Exit statuses and last words."""

import errno

import pytest

from wherry_client import errors
from wherry_client.cli.endings import ExitStatus, ending_of
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
        (OSError(errno.ENOSPC, "No space left on device", "x.zip"), 3, "goes on from there"),
    ],
)
def test_ending(error: WherryError | OSError, status: int, hint: str) -> None:
    ending = ending_of(error, URL, "j")
    assert ending.status == status
    assert hint in ending.hint
    assert ending.sentence.endswith(".")


def test_faults_that_the_sentence_leaves_out_are_told() -> None:
    document = {
        "type": "urn:wherry:problem:invalid-request",
        "detail": "limit is 0.",
        "errors": [
            {"parameter": "limit", "detail": "limit is 0."},
            {"pointer": "/a", "detail": "b"},
        ],
    }
    assert ending_of(error_of(parse_problem(422, document)), URL).details == ("/a: b",)
    assert ending_of(error_of(parse_problem(422, document)), URL).status is ExitStatus.USAGE
