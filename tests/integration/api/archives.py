"""The archive of a completed job in tests: in the job's own folder, where runners store it."""

import os
from typing import Any

from wherry_core.resources import DownloadJob


def archive_of(
    job: DownloadJob, bucket: str = "", name: str = "a.zip", size: int = 4711
) -> dict[str, Any]:
    """Return ``status.archive`` of a completed job; the bucket is the API's, if none is given."""
    bucket = bucket or os.environ["WHERRY_ARCHIVE_BUCKET"]
    key = f"archives/{job.metadata.namespace}/{job.metadata.uid}/1/{name}"
    return {"bucket": bucket, "key": key, "name": name, "size": size}


def completed(job: DownloadJob) -> dict[str, Any]:
    """Return the status fields of a completed job."""
    return {
        "phase": "Completed",
        "progress": 100,
        "completionTime": "2030-01-01T00:00:09Z",
        "archive": archive_of(job),
    }
