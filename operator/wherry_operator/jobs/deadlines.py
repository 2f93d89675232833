"""The moments at which time alone changes a decision about a job."""

from datetime import datetime, timedelta

from wherry_core.resources import DownloadJob, Phase
from wherry_operator.jobs import ttl
from wherry_operator.jobs.plan import JobRules, ObservedJob


def active_deadline(job: DownloadJob) -> datetime | None:
    """Return when a started job fails, however many attempts are left; None without a limit.

    As for a Kubernetes Job, the time does not run while the job is suspended, and starts again
    from zero when it is resumed.
    """
    seconds, started = job.spec.active_deadline_seconds, job.status.start_time
    if job.ended or job.spec.suspend or not seconds or started is None:
        return None
    return started + timedelta(seconds=seconds)


def queue_deadline(job: DownloadJob) -> datetime | None:
    """Return when a waiting job fails because no runner took it; backoff does not count."""
    status = job.status
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        return None
    since = status.queued_time or job.metadata.creation_timestamp
    if since and status.next_attempt_time:
        since = max(since, status.next_attempt_time)
    return since + timedelta(seconds=job.spec.queue_timeout_seconds) if since else None


def explain_moment(job: DownloadJob, rules: JobRules) -> datetime | None:
    """Return when a queued job should say why it waits; a short backoff does not count."""
    status = job.status
    if status.phase is not Phase.QUEUED or job.spec.suspend:
        return None
    since = status.queued_time or job.metadata.creation_timestamp
    if since is None:
        return None
    pause, due = timedelta(seconds=rules.explain_after), status.next_attempt_time
    return since + pause if due is None or since + pause < due else due + pause


def could_run(job: DownloadJob, *, held: bool, now: datetime) -> bool:
    """Return whether a free runner could take the job now."""
    waits = job.status.phase in {None, Phase.QUEUED}
    stopped = job.spec.cancel or job.spec.suspend or job.metadata.deletion_timestamp is not None
    due = job.status.next_attempt_time
    return waits and not stopped and not held and (due is None or due <= now)


def next_moment(observed: ObservedJob) -> datetime | None:
    """Return the next moment at which time alone may change the decision."""
    job = observed.job
    moments = [
        ttl.expiry(job, observed.rules),
        active_deadline(job),
        queue_deadline(job),
        job.status.next_attempt_time if job.status.phase is Phase.QUEUED else None,
        explain_moment(job, observed.rules),
    ]
    later = (moment for moment in moments if moment and moment > observed.now)
    return min(later, default=None)
