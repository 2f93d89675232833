"""An attempt that its runner reported as failed."""

from datetime import datetime, timedelta
from typing import Any

from wherry_core.resources import DownloadJob, Failure, Phase
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.changes import failed, queued_again, whole_second_after


def reported_failure(job: DownloadJob) -> Failure | None:
    """Return the failure that the runner of the current attempt left, or None."""
    status = job.status
    if status.phase is not Phase.PROCESSING or status.runner is not None or not status.failures:
        return None
    newest = status.failures[-1]
    return newest if newest.attempt == status.attempt and not newest.infrastructure else None


def judge_failed_attempt(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Try again after a pause, or fail the job when it must not or may not be tried again."""
    failure = reported_failure(observed.job)
    return None if failure is None else after_failure(observed, failure, now)


def after_failure(observed: ObservedJob, failure: Failure, now: datetime) -> JobPlan:
    """Return the plan after an attempt that the job itself is to blame for.

    ``failure`` is in the job's list of failures already, or is put there by the plan.
    """
    job = observed.job
    count = job.status.failed_attempts + 1
    changes: dict[str, Any] = {"failed_attempts": count}
    stop = job.status.runner
    if not failure.retryable:
        return JobPlan(
            reason=failure.reason,
            message=failure.message,
            status=failed(job, now, failure.reason, failure.message, **changes),
            stop_runner=stop,
            event=Event("Failed", f"{failure.reason}: {failure.message}", warning=True),
            tidy=True,
        )
    if count > job.spec.backoff_limit:
        message = f"Attempt {job.status.attempt} was the last one. {failure.message}"
        return JobPlan(
            reason=failure.reason,
            message=message,
            status=failed(job, now, failure.reason, message, dead_letter=True, **changes),
            stop_runner=stop,
            event=Event("DeadLettered", f"{failure.reason}: {message}", warning=True),
            tidy=True,
        )
    pauses = observed.rules.retry_pauses
    pause = pauses[min(count, len(pauses)) - 1]
    due = whole_second_after(now + timedelta(seconds=pause))
    return JobPlan(
        reason="AttemptFailed",
        message=f"Attempt {job.status.attempt} failed; the next one starts in {pause} s.",
        status=queued_again(job.status, now, next_attempt_time=due, **changes),
        queue=QueueChange.TAKE_OUT,
        stop_runner=stop,
        event=Event(
            "AttemptFailed",
            f"Attempt {job.status.attempt} failed ({failure.reason}: {failure.message}); "
            f"the next one starts in {pause} s.",
            warning=True,
        ),
    )
