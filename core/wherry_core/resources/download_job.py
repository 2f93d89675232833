"""``DownloadJob``: what was asked for, and how it ended."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from wherry_core.file_names import safe_file_name
from wherry_core.resources.base import (
    API_VERSION,
    Condition,
    ResourceModel,
    Time,
    immutable,
)
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
    """What to do when a file id has no object."""

    FAIL = "Fail"
    MANIFEST = "Manifest"


class Phase(StrEnum):
    """Where a job stands: for display and for field selectors."""

    QUEUED = "Queued"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TERMINAL_PHASES: Final = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})
HOLDING_CONDITIONS: Final = frozenset({"Suspended", "Waiting"})
"""Conditions that hold at most while a job waits: who claims or ends it sets them to False."""

OPTIONAL_IMMUTABLE: Final = ("archiveName", "activeDeadlineSeconds")


class DownloadJobSpec(ResourceModel):
    """What was asked for. Only suspend, cancel, priority and the TTL can change afterwards."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"has(self.{field}) == has(oldSelf.{field})",
                    "message": f"{field} is immutable: create a new DownloadJob instead",
                }
                for field in OPTIONAL_IMMUTABLE
            ]
        }
    )

    file_ids: Annotated[
        tuple[FileID, ...],
        Field(
            alias="fileIDs",
            min_length=1,
            max_length=MAX_FILE_IDS,
            json_schema_extra=ATOMIC_LIST | immutable("fileIDs"),
        ),
    ]
    """Ids of the files to bundle, in the order in which the archive lists them."""
    archive_name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            # No separators and no control characters: the name becomes part of an S3 key and
            # of a Content-Disposition header.
            pattern=r"^[^/\\\x00-\x1f\x7f]+$",
            json_schema_extra=immutable("archiveName"),
        ),
    ] = None
    """File name of the archive that a browser saves; download-<job>.zip when left out."""
    on_missing: Annotated[OnMissing, Field(json_schema_extra=immutable("onMissing"))] = (
        OnMissing.FAIL
    )
    """Fail: a missing file fails the job. Manifest: it is skipped and listed in manifest.json."""
    pool: Annotated[
        str,
        Field(
            max_length=63,
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            json_schema_extra=immutable("pool"),
        ),
    ] = "default"
    """Name of the RunnerPool, in the operator's namespace, whose runners take the job."""
    priority: Annotated[int, Field(ge=-100, le=100, json_schema_extra=INT32)] = 0
    """Jobs of a higher priority leave the queue first."""
    backoff_limit: Annotated[
        int, Field(ge=0, le=10, json_schema_extra=INT32 | immutable("backoffLimit"))
    ] = 2
    """Retries after a failed attempt: 2 means three attempts in all."""
    active_deadline_seconds: Annotated[
        int | None,
        Field(ge=1, le=604_800, json_schema_extra=INT64 | immutable("activeDeadlineSeconds")),
    ] = None
    """Seconds from the first start after which the job fails, however many attempts are left."""
    queue_timeout_seconds: Annotated[
        int, Field(ge=1, le=604_800, json_schema_extra=INT64 | immutable("queueTimeoutSeconds"))
    ] = 3_600
    """Seconds that a job may wait for a runner before it fails."""
    ttl_seconds_after_finished: Annotated[
        int | None, Field(ge=0, le=2_592_000, json_schema_extra=INT64)
    ] = None
    """Seconds after the end when the job and its archive are deleted; left out, the operator's
    defaults for completed, failed and dead-lettered jobs hold."""
    suspend: bool = False
    """True: the job waits outside the queue, and a running attempt is handed back."""
    cancel: Annotated[
        bool,
        Field(
            json_schema_extra={
                "x-kubernetes-validations": [
                    {
                        "rule": "self || !oldSelf",
                        "message": "cancel cannot be undone: create a new DownloadJob instead",
                    }
                ]
            }
        ),
    ] = False
    """True: the job ends as Cancelled, for good."""


class FileCounts(ResourceModel):
    """How many files the job has, and how far they are."""

    total: Int32 = 0
    """Files asked for, each id counted once."""
    completed: Int32 = 0
    """Files in the archive so far, in the current attempt."""
    skipped: Int32 = 0
    """Files left out of the archive, with their reasons in manifest.json."""


class ByteCounts(ResourceModel):
    """How many bytes the sources have, and how many are in the archive."""

    total: Int64 = 0
    """Bytes of all source objects, known once they are resolved."""
    completed: Int64 = 0
    """Source bytes in the archive so far, in the current attempt."""


class Archive(ResourceModel):
    """The result in the store."""

    bucket: Annotated[str, Field(max_length=255)]
    """Bucket of the archive."""
    key: Annotated[str, Field(max_length=1024)]
    """Object key of the archive."""
    name: Annotated[str, Field(max_length=255)]
    """File name offered to the browser."""
    size: Int64
    """Bytes of the archive."""
    checksum: Annotated[str, Field(max_length=256)] = ""
    """The store's checksum or ETag of the archive, as "<algorithm>:<value>"."""
    manifest_key: Annotated[str | None, Field(max_length=1024)] = None
    """Object key of the manifest beside the archive."""


class Failure(ResourceModel):
    """One attempt that did not end well."""

    attempt: Int32
    """Number of the attempt."""
    reason: Annotated[str, Field(max_length=128)]
    """Why, as one CamelCase word."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why, as a sentence for a person."""
    time: Time
    """When it was noticed."""
    runner: Annotated[str, Field(max_length=253)] = ""
    """Name of the runner pod."""
    infrastructure: bool = False
    """True when the runner was lost, not the job at fault: counted under its own budget."""
    retryable: bool = True
    """False when another attempt cannot help."""


class DownloadJobStatus(ResourceModel):
    """How the job stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": (
                        "!has(oldSelf.phase) || "
                        "!(oldSelf.phase in ['Completed', 'Failed', 'Cancelled']) || "
                        "(has(self.phase) && self.phase == oldSelf.phase)"
                    ),
                    "message": "a job that has ended never changes its phase",
                },
                {
                    "rule": "self.attempt >= oldSelf.attempt",
                    "message": "the attempt number only grows",
                },
            ]
        }
    )

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
    """Complete, Failed, DeadLettered, Suspended, and Waiting: why it has had no runner so long."""
    phase: Phase | None = None
    """Queued, Processing, Completed, Failed or Cancelled."""
    attempt: Int32 = 0
    """Number of the attempt that runs, or that runs next while the job is Queued."""
    step: Int64 = 0
    """Number of the newest progress report of this attempt; orders snapshots."""
    runner: Annotated[str | None, Field(max_length=253)] = None
    """Name of the runner pod that claimed the attempt."""
    runner_uid: Annotated[str | None, Field(alias="runnerUID", max_length=64)] = None
    """Uid of that pod: another pod of the same name is another runner."""
    queued_time: Time | None = None
    """When the job last entered the queue."""
    start_time: Time | None = None
    """When the first attempt was claimed."""
    attempt_start_time: Time | None = None
    """When the current attempt was claimed."""
    completion_time: Time | None = None
    """When the job ended, well or not."""
    next_attempt_time: Time | None = None
    """Before this time no runner may claim the job: the backoff after a failed attempt."""
    files: FileCounts = FileCounts()
    """Counts of files."""
    progress: Annotated[int, Field(ge=0, le=100, json_schema_extra=INT32)] = 0
    """Per cent of the source bytes that are in the archive."""
    bytes: ByteCounts = ByteCounts()
    """Counts of source bytes."""
    archive: Archive | None = None
    """The result, once the job is Completed."""
    failures: Annotated[
        tuple[Failure, ...],
        Field(max_length=MAX_FAILURES, json_schema_extra=ATOMIC_LIST),
    ] = ()
    """What went wrong in earlier attempts, newest last."""
    failed_attempts: Int32 = 0
    """Attempts that the job itself failed; compared with spec.backoffLimit."""
    lost_attempts: Int32 = 0
    """Attempts lost with their runner; compared with the operator's own limit."""


class DownloadJob(ResourceModel):
    """A request for one archive of many files."""

    api_version: str = API_VERSION
    kind: str = "DownloadJob"
    metadata: ObjectMeta
    spec: DownloadJobSpec
    status: DownloadJobStatus = DownloadJobStatus()

    @property
    def key(self) -> str:
        """``namespace/name``: how queue, cache and logs name the job."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def ended(self) -> bool:
        """True once the phase is terminal."""
        return self.status.phase in TERMINAL_PHASES

    @property
    def archive_name(self) -> str:
        """The archive's file name, given or derived from the job's name; safe on every system.

        It ends an S3 key, which some stores keep as a path, and is what a browser saves.
        """
        given = safe_file_name(self.spec.archive_name or "")
        return given or f"download-{self.metadata.name[:8]}.zip"
