"""What should happen to a job: a pure decision over what was observed, at one moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from wherry_core.resources import DownloadJob, DownloadJobStatus, Phase, RunnerPool
from wherry_operator.event_recorder import Event
from wherry_operator.intake.pod_view import Loss


class QueueChange(Enum):
    """What to do with the job's place in the queue."""

    LEAVE = "leave"
    PUT = "put"
    TAKE_OUT = "take out"


class Note(Enum):
    """Whether the plan tells why the job waits."""

    NONE = "none"
    WANTED = "wanted"
    """There is something to tell; it waits for its turn."""
    WRITTEN = "written"
    """The plan's status tells it."""


@dataclass(frozen=True, slots=True)
class JobRules:
    """The limits that hold for all jobs; times in seconds."""

    completed_ttl: int = 86_400
    failed_ttl: int = 3_600
    dead_letter_ttl: int = 604_800
    lost_attempts_limit: int = 10
    retry_pauses: tuple[int, ...] = (1, 5, 15)
    explain_after: float = 30
    """How long a job waits before it tells why."""


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """Everything that a decision about a job may depend on."""

    job: DownloadJob
    files: int
    """Files asked for, each id counted once."""
    rules: JobRules = JobRules()
    pool_exists: bool = True
    loss: Loss | None = None
    """How the runner of the current attempt was lost; None while it lives."""
    held: bool = False
    """True when the job's tenant has as many jobs in work as it may."""
    pool: RunnerPool | None = None
    """The job's pool, which tells why its jobs wait."""
    redis_away: bool = False
    may_explain: bool = False
    """True when it is the job's turn to be told why it waits."""


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What to do; the empty plan does nothing."""

    reason: str
    """Why, as one CamelCase word."""
    message: str = ""
    """Why, as a sentence for a person."""
    status: DownloadJobStatus | None = None
    """The status to write, or None to leave it."""
    queue: QueueChange = QueueChange.LEAVE
    stop_runner: str | None = None
    """Runner to ask to stop working on the job."""
    labels: Mapping[str, str | None] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    event: Event | None = None
    note: Note = Note.NONE
    retry_number: int | None = None
    """Make a new job of this one, as the retry with this number."""
    tidy: bool = False
    """Remove what earlier attempts left in the store."""
    delete: bool = False
    """Delete the job's archive, then the job."""
    look_again: datetime | None = None
    """When time alone may change the decision."""


Policy = Callable[[ObservedJob, datetime], JobPlan | None]
"""Looks at a job; returns what to do, or None to let the next policy decide."""

NOTHING: Final = JobPlan(reason="NothingToDo")


def lifetime(job: DownloadJob, rules: JobRules) -> timedelta:
    """Return for how long an ended job is kept."""
    if (given := job.spec.ttl_seconds_after_finished) is not None:
        return timedelta(seconds=given)
    if job.status.phase is Phase.COMPLETED:
        return timedelta(seconds=rules.completed_ttl)
    dead = condition_is_true(job.status, "DeadLettered")
    return timedelta(seconds=rules.dead_letter_ttl if dead else rules.failed_ttl)


def expiry(job: DownloadJob, rules: JobRules) -> datetime | None:
    """Return when an ended job is to be deleted; None while it has not ended."""
    if not job.ended:
        return None
    ended = job.status.completion_time or job.metadata.creation_timestamp
    return ended + lifetime(job, rules) if ended else None


def active_deadline(job: DownloadJob) -> datetime | None:
    """Return when a started job fails, however many attempts are left; None without a limit."""
    seconds, started = job.spec.active_deadline_seconds, job.status.start_time
    return started + timedelta(seconds=seconds) if seconds and started else None


def queue_deadline(job: DownloadJob) -> datetime | None:
    """Return when a waiting job fails for want of a runner; backoff does not count as waiting."""
    status = job.status
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        return None
    since = status.queued_time or job.metadata.creation_timestamp
    if since and status.next_attempt_time:
        since = max(since, status.next_attempt_time)
    return since + timedelta(seconds=job.spec.queue_timeout_seconds) if since else None


def explain_moment(job: DownloadJob, rules: JobRules) -> datetime | None:
    """Return when a queued job is to tell why it waits; a short backoff is no waiting."""
    status = job.status
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        return None
    since = status.queued_time or job.metadata.creation_timestamp
    if since is None:
        return None
    pause, due = timedelta(seconds=rules.explain_after), status.next_attempt_time
    return since + pause if due is None or since + pause < due else due + pause


def condition_is_true(status: DownloadJobStatus, kind: str) -> bool:
    """Return whether ``status`` has the condition ``kind`` with the status True."""
    return any(each.type == kind and each.status == "True" for each in status.conditions)


def next_moment(observed: ObservedJob, now: datetime) -> datetime | None:
    """Return the next moment at which time alone may change the decision."""
    job = observed.job
    moments = [
        expiry(job, observed.rules),
        None if job.ended else active_deadline(job),
        queue_deadline(job),
        job.status.next_attempt_time if job.status.phase is Phase.QUEUED else None,
        explain_moment(job, observed.rules),
    ]
    return min((moment for moment in moments if moment and moment > now), default=None)


def status_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7396) that turns ``old`` into ``new``; empty if equal."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if before == value:
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            patch[name] = status_patch(before, value)
        else:
            patch[name] = value
    return patch
