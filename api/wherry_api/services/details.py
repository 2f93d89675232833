"""Details of a job beyond its status: failed attempts, and how many files were left out."""

from typing import Annotated

from pydantic import Field

from wherry_api.openapi.schemas import JOB_ID, Document
from wherry_core.resources import DownloadJob
from wherry_core.resources.base import format_time
from wherry_core.resources.names import RETRY_OF_LABEL


class FailedAttempt(Document):
    """One failed attempt."""

    attempt: Annotated[int, Field(ge=0)]
    """Number of the attempt."""
    reason: str
    """Reason as one CamelCase word."""
    message: str
    """Reason as a sentence; empty when the word says it all."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """Time at which the failure was noticed."""
    infrastructure: bool
    """True when the runner was lost, which does not count against the job."""


class Details(Document):
    """More about a job than its status. Every field is always present."""

    jobId: str  # noqa: N815
    """Id of the job."""
    archiveName: str  # noqa: N815
    """File name of the download."""
    skippedFiles: Annotated[int, Field(ge=0)]  # noqa: N815
    """Missing files that were left out; the archive's manifest.json lists them."""
    attempt: Annotated[int, Field(ge=0)]
    """Number of the current or last attempt; 0 before the first."""
    failures: list[FailedAttempt]
    """Failed attempts, oldest first; only the newest 20 are kept."""
    retryOf: str | None  # noqa: N815
    """Id of the failed job that this one retries, cut to 63 characters."""

    model_config = Document.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "jobId": JOB_ID,
                    "archiveName": "download-0c5b1a44.zip",
                    "skippedFiles": 0,
                    "attempt": 2,
                    "failures": [
                        {
                            "attempt": 1,
                            "reason": "RunnerLost",
                            "message": "The runner default-runner-0 is gone.",
                            "time": "2030-01-01T12:00:02Z",
                            "infrastructure": True,
                        }
                    ],
                    "retryOf": None,
                }
            ]
        }
    }


def details_of(job: DownloadJob) -> Details:
    """Return the details of ``job``."""
    return Details(
        jobId=job.metadata.name,
        # The result of a job with a single file is that file, under its own name.
        archiveName=job.status.archive.name if job.status.archive else job.archive_name,
        skippedFiles=job.status.files.skipped,
        attempt=job.status.attempt,
        failures=[
            FailedAttempt(
                attempt=failure.attempt,
                reason=failure.reason,
                message=failure.message,
                time=format_time(failure.time),
                infrastructure=failure.infrastructure,
            )
            for failure in job.status.failures
        ],
        retryOf=job.metadata.labels.get(RETRY_OF_LABEL),
    )
