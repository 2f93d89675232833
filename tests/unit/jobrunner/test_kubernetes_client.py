from itertools import islice
from typing import Any

import pytest

from wherry_jobrunner.kubernetes_client import (
    LONGEST_PAUSE_SECONDS,
    Answer,
    ApiServerError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    error_of,
    is_passing,
    pauses,
)

MISSING = {"kind": "Status", "code": 404, "details": {"name": "job", "kind": "downloadjobs"}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (0, None, True),
        (401, None, True),
        (403, None, True),
        (429, None, True),
        (500, None, True),
        (503, None, True),
        (404, None, True),
        (404, {"details": {}}, True),
        (404, MISSING, False),
        (409, None, False),
        (422, None, False),
        (400, None, False),
    ],
)
def test_what_may_succeed_later(status: int, body: Any, expected: bool) -> None:
    assert is_passing(Answer(status, body), "job") is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, RefusedError),
        (400, ApiServerError),
    ],
)
def test_answers_are_told_apart(status: int, expected: type[ApiServerError]) -> None:
    error = error_of(Answer(status, {"message": "because"}))
    assert type(error) is expected
    assert str(error) == f"HTTP {status}: because"


def test_pauses_grow_up_to_a_bound() -> None:
    found = list(islice(pauses(), 20))
    assert found[0] <= 0.2
    assert all(LONGEST_PAUSE_SECONDS / 2 <= each <= LONGEST_PAUSE_SECONDS for each in found[8:])
