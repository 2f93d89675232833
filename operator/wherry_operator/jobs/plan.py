"""What is observed of a job, and the plan that its policies make of it. Plain data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from wherry_core.resources import DownloadJob, DownloadJobStatus, RunnerPool
from wherry_operator.event_recorder import Event
from wherry_operator.intake.pod_view import Loss
from wherry_operator.policies import Policy


@dataclass(frozen=True, slots=True)
class JobRules:
    """The limits that hold for all jobs; times in seconds."""

    completed_ttl: int = 86_400
    failed_ttl: int = 3_600
    dead_letter_ttl: int = 604_800
    lost_attempts_limit: int = 10
    backoff: tuple[int, ...] = (1, 5, 15)
    """Pauses after the first, the second and every later failed attempt."""
    explain_after: float = 30
    """How long a job waits before its condition Waiting says why."""


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """Everything that a decision about a job may depend on."""

    job: DownloadJob
    files: int
    """Number of different file ids."""
    now: datetime
    """The present time of the API server's clock, which all times in resources follow."""
    rules: JobRules = JobRules()
    pool_exists: bool = True
    """True also for a pool that this release cannot read: its runners still take jobs."""
    loss: Loss | None = None
    """How the runner of the current attempt was lost; None while it lives."""
    held: bool = False
    """True when the job's tenant has reached its limit of active jobs."""
    pool: RunnerPool | None = None
    """The job's pool, whose conditions say why its jobs wait; None when it cannot be read."""
    redis_unavailable: bool = False


class QueueChange(Enum):
    """What to do with the job's entry in the queue."""

    LEAVE = "leave"
    PUT = "put"
    TAKE_OUT = "take out"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A status that says why the job waits. It is written when the budget of such writes allows."""

    status: DownloadJobStatus
    first: bool
    """True when the job's status has given no reason so far."""
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What to do with a job. The plan without arguments does nothing."""

    reason: str = "NothingToDo"
    """Why, as one CamelCase word."""
    message: str = ""
    """Why, as a sentence for a person."""
    status: DownloadJobStatus | None = None
    """The status to write, or None to leave it."""
    explanation: Explanation | None = None
    """Set only when ``status`` is None: a status to write with lower urgency."""
    queue: QueueChange = QueueChange.LEAVE
    stop_runner: bool = False
    """Ask the runner of the current attempt to stop working on the job."""
    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    event: Event | None = None
    retry: bool = False
    """Create the job that retries this one. Labels and annotations are written only after that."""
    clean_up: bool = False
    """Delete what unsuccessful attempts left in the store."""
    delete: bool = False
    """Delete the job and, after it, its archive."""
    requeue_at: datetime | None = None
    """When to decide again even if no change is observed."""


JobPolicy = Policy[ObservedJob, JobPlan]
