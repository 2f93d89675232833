"""Documents of the API, read and written."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wherry_api.openapi.schemas import Initiated, Status
from wherry_client.errors import UnexpectedAnswerError
from wherry_client.models import Job, JobPage, JobState, JobStatus

EXAMPLE: dict[str, Any] = Status.model_json_schema()["examples"][0]


def test_the_api_s_own_examples_are_read_and_written_alike() -> None:
    assert JobStatus.parse(EXAMPLE).to_wire() == EXAMPLE
    initiated = Initiated.model_json_schema()["examples"][0]
    assert Job.parse(initiated).to_wire() == initiated


def test_every_field_of_a_status_is_known() -> None:
    assert set(JobStatus.parse(EXAMPLE).to_wire()) == set(Status.model_fields)
    assert set(Job.parse(Initiated.model_json_schema()["examples"][0]).to_wire()) == set(
        Initiated.model_fields
    )


def test_a_status_has_typed_fields() -> None:
    status = JobStatus.parse(EXAMPLE | {"aNewField": 1})
    assert status.state is JobState.COMPLETED
    assert status.ended
    assert status.completed_at == datetime(2030, 1, 1, 12, 0, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"jobId": None}, "jobId"),
        ({"status": "melting"}, "status"),
        ({"progress": "12"}, "progress"),
        ({"progress": True}, "progress"),
        ({"createdAt": "yesterday"}, "time"),
        ({"size": "big"}, "size"),
    ],
)
def test_another_kind_of_answer_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=named):
        JobStatus.parse(EXAMPLE | change)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"jobs": {}}])
def test_a_page_that_is_none(document: object) -> None:
    with pytest.raises(UnexpectedAnswerError):
        JobPage.parse(document)
