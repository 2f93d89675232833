"""Failed attempts: the backoff before the next one, and the failure of the job after the last."""

from datetime import timedelta
from typing import Any

from wherry_core.resources import DownloadJob, Failure, Phase
from wherry_core.resources.names import JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.status_changes import failed, queued_again, whole_second_after
from wherry_operator.policies import Stop


def reported_failure(job: DownloadJob) -> Failure | None:
    """Return the failure that the runner of the current attempt has reported, or None."""
    status = job.status
    if status.phase is not Phase.PROCESSING or status.runner is not None or not status.failures:
        return None
    newest = status.failures[-1]
    return newest if newest.attempt == status.attempt and not newest.infrastructure else None


def judge_failed_attempt(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Queue the job again after a pause, or fail it when no further attempt is allowed."""
    failure = reported_failure(observed.job)
    return None if failure is None else Stop(after_failure(observed, failure))


def after_failure(observed: ObservedJob, failure: Failure) -> JobPlan:
    """Return the plan after an attempt that failed because of the job itself.

    The job's list of failures already ends with ``failure``.
    """
    job, now = observed.job, observed.now
    count = job.status.failed_attempts + 1
    changes: dict[str, Any] = {"failed_attempts": count}
    stop_runner = job.status.runner is not None
    if not failure.retryable:
        return JobPlan(
            reason=failure.reason,
            message=failure.message,
            status=failed(job, now, failure.reason, failure.message, **changes),
            stop_runner=stop_runner,
            event=Event(JobReason.FAILED, f"{failure.reason}: {failure.message}", warning=True),
            clean_up=True,
        )
    if count > job.spec.backoff_limit:
        message = f"Attempt {job.status.attempt} was the last one. {failure.message}"
        return JobPlan(
            reason=failure.reason,
            message=message,
            status=failed(job, now, failure.reason, message, dead_letter=True, **changes),
            stop_runner=stop_runner,
            event=Event(JobReason.DEAD_LETTERED, f"{failure.reason}: {message}", warning=True),
            clean_up=True,
        )
    pauses = observed.rules.backoff
    pause = pauses[min(count, len(pauses)) - 1]
    due = whole_second_after(now + timedelta(seconds=pause))
    attempt = f"Attempt {job.status.attempt} failed"
    following = f"The next one starts in {pause} s."
    return JobPlan(
        reason=JobReason.ATTEMPT_FAILED,
        message=f"{attempt}. {following}",
        status=queued_again(job.status, now, next_attempt_time=due, **changes),
        queue=QueueChange.TAKE_OUT,
        stop_runner=stop_runner,
        event=Event(
            JobReason.ATTEMPT_FAILED,
            f"{attempt} ({failure.reason}: {failure.message}). {following}",
            warning=True,
        ),
    )
