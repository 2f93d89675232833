"""``DownloadJob``: a request for one archive of many files, and its result."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from wherry_core.file_names import safe_file_name
from wherry_core.resources import cel_rules
from wherry_core.resources.base import (
    API_VERSION,
    Condition,
    ResourceModel,
    Time,
)
from wherry_core.resources.names import JobCondition
from wherry_core.resources.object_meta import ObjectMeta

DOWNLOAD_JOBS: Final = "downloadjobs"
MAX_FILE_IDS: Final = 10_000
MAX_FILE_ID_LENGTH: Final = 256
MAX_FAILURES: Final = 20

INT64: Final[dict[str, Any]] = {"format": "int64"}
INT32: Final[dict[str, Any]] = {"format": "int32"}
ATOMIC_LIST: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}

FileID = Annotated[str, Field(min_length=1, max_length=MAX_FILE_ID_LENGTH)]
Int64 = Annotated[int, Field(ge=0, json_schema_extra=INT64)]
Int32 = Annotated[int, Field(ge=0, json_schema_extra=INT32)]


class OnMissing(StrEnum):
    """What to do when a file id has no object in the store."""

    FAIL = "Fail"
    MANIFEST = "Manifest"


class Phase(StrEnum):
    """Phase of a job, for display and field selectors."""

    QUEUED = "Queued"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TERMINAL_PHASES: Final = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})
HOLDING_CONDITIONS: Final = frozenset({JobCondition.SUSPENDED, JobCondition.WAITING})
"""Conditions that can only be True while a job waits. A claim or an end sets them to False."""


class DownloadJobSpec(ResourceModel):
    """The request. Only suspend, cancel, priority and ttlSecondsAfterFinished can be changed."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules.present_as_before("archiveName", "activeDeadlineSeconds")
    )

    file_ids: Annotated[
        tuple[FileID, ...],
        Field(
            alias="fileIDs",
            min_length=1,
            max_length=MAX_FILE_IDS,
            json_schema_extra=ATOMIC_LIST | cel_rules.immutable("fileIDs"),
        ),
    ]
    """Ids of the files to bundle, in the order of the archive's entries."""
    archive_name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            # No separators or control characters, because the name becomes part of an S3 key
            # and of a Content-Disposition header.
            pattern=r"^[^/\\\x00-\x1f\x7f]+$",
            json_schema_extra=cel_rules.immutable("archiveName"),
        ),
    ] = None
    """File name under which browsers save the archive. Default: download-<job>.zip."""
    on_missing: Annotated[OnMissing, Field(json_schema_extra=cel_rules.immutable("onMissing"))] = (
        OnMissing.FAIL
    )
    """Fail: a missing file fails the job. Manifest: the file is skipped and listed in
    manifest.json."""
    pool: Annotated[
        str,
        Field(
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            json_schema_extra=cel_rules.immutable("pool"),
        ),
    ] = "default"
    """Name of the RunnerPool whose runners take the job. It is in the operator's namespace."""
    priority: Annotated[int, Field(ge=-100, le=100, json_schema_extra=INT32)] = 0
    """Jobs with a higher priority leave the queue first."""
    backoff_limit: Annotated[
        int, Field(ge=0, le=10, json_schema_extra=INT32 | cel_rules.immutable("backoffLimit"))
    ] = 2
    """Number of retries after a failed attempt. 2 means up to three attempts."""
    active_deadline_seconds: Annotated[
        int | None,
        Field(
            ge=1, le=604_800, json_schema_extra=INT64 | cel_rules.immutable("activeDeadlineSeconds")
        ),
    ] = None
    """Seconds after which a started job fails, even if attempts are left. Starts again when a
    suspended job is resumed."""
    queue_timeout_seconds: Annotated[
        int,
        Field(
            ge=1, le=604_800, json_schema_extra=INT64 | cel_rules.immutable("queueTimeoutSeconds")
        ),
    ] = 3_600
    """Seconds after which a job that waits for a runner fails."""
    ttl_seconds_after_finished: Annotated[
        int | None, Field(ge=0, le=2_592_000, json_schema_extra=INT64)
    ] = None
    """Seconds after the end of the job until the job and its archive are deleted. Default: the
    operator's settings for completed, failed and dead-lettered jobs."""
    suspend: bool = False
    """True: the job waits outside the queue; a running attempt is handed back."""
    cancel: Annotated[bool, Field(json_schema_extra=cel_rules.CANCEL)] = False
    """True: the job ends as Cancelled. This cannot be undone."""


class FileCounts(ResourceModel):
    """Counts of files."""

    total: Int32 = 0
    """Requested files; a repeated id counts once."""
    completed: Int32 = 0
    """Files in the archive so far, in the current attempt."""
    skipped: Int32 = 0
    """Files that were skipped; manifest.json has the reasons."""


class ByteCounts(ResourceModel):
    """Counts of source bytes."""

    total: Int64 = 0
    """Bytes of all source objects; known once they are resolved."""
    completed: Int64 = 0
    """Source bytes in the archive so far, in the current attempt."""


class Archive(ResourceModel):
    """The result in the store."""

    bucket: Annotated[str, Field(max_length=255)]
    """Bucket of the archive."""
    key: Annotated[str, Field(max_length=1024)]
    """Object key of the archive."""
    name: Annotated[str, Field(max_length=255)]
    """File name under which browsers save the archive."""
    size: Int64
    """Bytes of the archive."""
    checksum: Annotated[str, Field(max_length=256)] = ""
    """The store's checksum or ETag of the archive, as "<algorithm>:<value>"."""
    manifest_key: Annotated[str | None, Field(max_length=1024)] = None
    """Object key of the manifest beside the archive."""


class Failure(ResourceModel):
    """One failed or lost attempt."""

    attempt: Int32
    """Number of the attempt."""
    reason: Annotated[str, Field(max_length=128)]
    """Reason as one CamelCase word."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Explanation as a sentence."""
    time: Time
    """Time at which the failure was noticed."""
    runner: Annotated[str, Field(max_length=253)] = ""
    """Name of the runner pod."""
    infrastructure: bool = False
    """True: the runner was lost or at fault, not the job. Counted separately."""
    retryable: bool = True
    """False: another attempt cannot succeed."""


class DownloadJobStatus(ResourceModel):
    """State of the job."""

    model_config = ConfigDict(json_schema_extra=cel_rules.JOB_STATUS)

    observed_generation: Int64 = 0
    """The metadata.generation that the operator last acted on."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = ()
    """Conditions: Complete, Failed, DeadLettered, Suspended, Waiting, Readable."""
    phase: Phase | None = None
    """Queued, Processing, Completed, Failed or Cancelled."""
    attempt: Int32 = 0
    """Number of the current attempt, or of the next one while the job is Queued."""
    step: Int64 = 0
    """Number of the newest progress report of this attempt. Orders snapshots."""
    runner: Annotated[str | None, Field(max_length=253)] = None
    """Name of the runner pod that claimed the attempt."""
    runner_uid: Annotated[str | None, Field(alias="runnerUID", max_length=64)] = None
    """Uid of that pod. A pod with the same name and another uid is another runner."""
    queued_time: Time | None = None
    """Time at which the job last entered the queue."""
    start_time: Time | None = None
    """Time at which the first attempt was claimed. Reset when a suspended job is resumed."""
    attempt_start_time: Time | None = None
    """Time at which the current attempt was claimed."""
    completion_time: Time | None = None
    """Time at which the job ended, in any terminal phase."""
    next_attempt_time: Time | None = None
    """Earliest time of the next attempt: the backoff after a failed one."""
    files: FileCounts = FileCounts()
    """Counts of files."""
    progress: Annotated[int, Field(ge=0, le=100, json_schema_extra=INT32)] = 0
    """Percentage of the source bytes that are in the archive."""
    bytes: ByteCounts = ByteCounts()
    """Counts of source bytes."""
    archive: Archive | None = None
    """The result; set once the job is Completed."""
    failures: Annotated[
        tuple[Failure, ...],
        Field(max_length=MAX_FAILURES, json_schema_extra=ATOMIC_LIST),
    ] = ()
    """Failed and lost attempts, newest last."""
    failed_attempts: Int32 = 0
    """Attempts that failed by the job's own fault; compared with spec.backoffLimit."""
    lost_attempts: Int32 = 0
    """Attempts that were lost with their runner; compared with the operator's limit."""


class DownloadJob(ResourceModel):
    """A request for one archive of many files."""

    api_version: str = API_VERSION
    kind: str = "DownloadJob"
    metadata: ObjectMeta
    spec: DownloadJobSpec
    status: DownloadJobStatus = DownloadJobStatus()

    @property
    def key(self) -> str:
        """``namespace/name``: the job's key in the queue, the cache and the logs."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def ended(self) -> bool:
        """True once the phase is terminal."""
        return self.status.phase in TERMINAL_PHASES

    @property
    def archive_name(self) -> str:
        """The archive's file name: the requested one or one derived from the job's name.

        Safe on every system, because it ends an S3 key, which some stores keep as a path, and is
        the name under which browsers save the archive.
        """
        given = safe_file_name(self.spec.archive_name or "")
        return given or f"download-{self.metadata.name[:8]}.zip"
