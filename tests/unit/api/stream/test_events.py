from datetime import UTC, datetime
from typing import Any

import pytest

from wherry_api.stream.events import event_id, event_of, render, seen_to_the_end
from wherry_core.job_snapshot import JobSnapshot, JobStatus

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def snapshot(**changes: Any) -> JobSnapshot:
    fields = {"status": JobStatus.PROCESSING, "attempt": 2, "step": 7, **changes}
    return JobSnapshot(
        namespace="a",
        name="job",
        uid="12345678-9",
        created_at=NOW,
        updated_at=NOW,
        total_files=3,
        **fields,
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"progress": 40, "completed_files": 1},
            (
                "event: progress\nid: 2-7-12345678\n"
                'data: {"progress":40,"completedFiles":1,"totalFiles":3}\n\n'
            ),
        ),
        (
            {"status": JobStatus.COMPLETED, "size": 9},
            (
                "event: completed\nid: 2-7-12345678-end\n"
                'data: {"downloadUrl":"/v1/download/job","size":9}\n\n'
            ),
        ),
        (
            {"status": JobStatus.FAILED, "error": "a\nb"},
            'event: failed\nid: 2-7-12345678-end\ndata: {"error":"a\\nb"}\n\n',
        ),
    ],
)
def test_events(changes: dict[str, Any], text: str) -> None:
    assert event_of(snapshot(**changes), None).decode() == text


def test_retry_comes_before_the_data() -> None:
    assert render("a", {}, "1", 5) == b"event: a\nid: 1\nretry: 5\ndata: {}\n\n"


def test_the_public_url_precedes_the_path() -> None:
    event = event_of(snapshot(status=JobStatus.COMPLETED), "https://x.example.com")
    assert b'"downloadUrl":"https://x.example.com/v1/download/job"' in event


def test_only_the_last_event_of_this_very_job_is_the_end() -> None:
    over = snapshot(status=JobStatus.FAILED)
    assert seen_to_the_end(event_id(over), over)
    assert not seen_to_the_end(None, over)
    assert not seen_to_the_end(event_id(snapshot()), over)
    assert not seen_to_the_end(event_id(snapshot()), snapshot())
    again = over.model_copy(update={"uid": "87654321-9"})
    assert not seen_to_the_end(event_id(over), again)
