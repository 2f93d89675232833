"""Build a job status for a test."""

from datetime import UTC, datetime
from typing import Any

from wherry_client.models import JobState, JobStatus

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def status(state: JobState = JobState.PROCESSING, **fields: Any) -> JobStatus:
    defaults: dict[str, Any] = {
        "job_id": "0c5b1a44",
        "progress": 0,
        "completed_files": 0,
        "total_files": 3,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return JobStatus(state=state, **{**defaults, **fields})
