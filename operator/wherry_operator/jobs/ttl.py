"""The time to live (TTL) of an ended job: how long it is kept, and when it is deleted."""

from datetime import datetime, timedelta

from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.names import JobCondition
from wherry_operator.jobs.plan import JobRules
from wherry_operator.jobs.status_changes import condition_is_true


def lifetime(job: DownloadJob, rules: JobRules) -> timedelta:
    """Return how long an ended job is kept."""
    if (ttl := job.spec.ttl_seconds_after_finished) is not None:
        return timedelta(seconds=ttl)
    if job.status.phase is Phase.COMPLETED:
        return timedelta(seconds=rules.completed_ttl)
    dead = condition_is_true(job.status, JobCondition.DEAD_LETTERED)
    return timedelta(seconds=rules.dead_letter_ttl if dead else rules.failed_ttl)


def expiry(job: DownloadJob, rules: JobRules) -> datetime | None:
    """Return when an ended job is deleted; None while it has not ended."""
    if not job.ended:
        return None
    ended = job.status.completion_time or job.metadata.creation_timestamp
    return ended + lifetime(job, rules) if ended else None
