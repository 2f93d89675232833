"""Read and write the documents of the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from wherry_api.openapi.schemas import Initiated, Status
from wherry_api.services.details import Details
from wherry_client.errors import UnexpectedAnswerError
from wherry_client.models import Job, JobDetails, JobPage, JobState, JobStatus

EXAMPLE: dict[str, Any] = Status.model_json_schema()["examples"][0]


def test_the_examples_of_the_api_survive_a_round_trip() -> None:
    assert JobStatus.parse(EXAMPLE).to_wire() == EXAMPLE
    initiated = Initiated.model_json_schema()["examples"][0]
    assert Job.parse(initiated).to_wire() == initiated


def test_every_field_of_the_api_is_known() -> None:
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
def test_a_field_of_another_type_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=named):
        JobStatus.parse(EXAMPLE | change)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"jobs": {}}])
def test_another_document_is_not_a_list(document: object) -> None:
    with pytest.raises(UnexpectedAnswerError):
        JobPage.parse(document)


def test_details_of_the_api_s_example() -> None:
    example = Details.model_json_schema()["examples"][0]
    details = JobDetails.parse(example)
    assert (details.archive_name, details.attempt) == ("download-0c5b1a44.zip", 2)
    assert [failure.reason for failure in details.failures] == ["RunnerLost"]
    assert details.failures[0].infrastructure
    with pytest.raises(UnexpectedAnswerError, match="failures"):
        JobDetails.parse(example | {"failures": None})
    with pytest.raises(UnexpectedAnswerError, match="infrastructure"):
        JobDetails.parse(example | {"failures": [example["failures"][0] | {"infrastructure": 1}]})
