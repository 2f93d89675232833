"""A job as the cache keeps it: everything but the list of ids, which may be large."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import RETRY_ANNOTATION, TRACEPARENT_ANNOTATION

KEPT_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
)


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and the number of its files; ``job.spec.file_ids`` holds the first id only."""

    job: DownloadJob
    files: int

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return self.job.key

    @property
    def uid(self) -> str:
        """The job's uid: another one is another job of the same name."""
        return self.job.metadata.uid

    @property
    def resource_version(self) -> str:
        """The version of the resource that this view was read from."""
        return self.job.metadata.resource_version

    @property
    def pool(self) -> str:
        """Name of the job's pool."""
        return self.job.spec.pool

    @property
    def runner_id(self) -> RunnerId | None:
        """The runner that works on the job, by its pod; the uid may be empty."""
        runner = self.claimed_by
        return RunnerId(runner, self.job.status.runner_uid or "") if runner else None

    @property
    def claimed_by(self) -> str | None:
        """Name of the runner that works on the job."""
        status = self.job.status
        return status.runner if status.phase is Phase.PROCESSING else None


def read_job(raw: Mapping[str, Any]) -> JobView:
    """Return the view of a DownloadJob as the API server sent it.

    Raises pydantic.ValidationError when it is not a valid DownloadJob.
    """
    spec = raw.get("spec", {})
    ids = spec.get("fileIDs", ())
    metadata = raw["metadata"]
    kept = {name: metadata[name] for name in KEPT_METADATA if name in metadata}
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {
        name: annotations[name]
        for name in (RETRY_ANNOTATION, TRACEPARENT_ANNOTATION)
        if name in annotations
    }
    job = DownloadJob.model_validate(
        {
            "metadata": kept,
            "spec": {**spec, "fileIDs": ids[:1]},
            "status": raw.get("status") or {},
        }
    )
    return JobView(job=job, files=len(set(ids)))
