"""An attempt whose runner is gone: evicted, failed, or not heard of any more."""

from datetime import datetime

from wherry_core.resources import Failure, Phase
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.changes import failed, queued_again, with_failure
from wherry_operator.jobs.policies.failed_attempt import after_failure


def replace_lost_runner(observed: ObservedJob, now: datetime) -> JobPlan | None:
    """Queue the job for another runner, under a budget apart from the job's own failures."""
    job, loss = observed.job, observed.loss
    if job.status.phase is not Phase.PROCESSING or job.status.runner is None or loss is None:
        return None
    failure = Failure(
        attempt=job.status.attempt,
        reason=loss.reason,
        message=loss.message,
        time=now.replace(microsecond=0),
        runner=job.status.runner,
        infrastructure=loss.infrastructure,
    )
    failures = with_failure(job.status, failure)
    if not loss.infrastructure:
        status = job.status.model_copy(update={"failures": failures})
        blamed = observed.job.model_copy(update={"status": status})
        return after_failure(
            ObservedJob(job=blamed, files=observed.files, rules=observed.rules), failure, now
        )
    lost = job.status.lost_attempts + 1
    limit = observed.rules.lost_attempts_limit
    if lost > limit:
        message = f"The job lost its runner {lost} times, more often than the limit of {limit}."
        return JobPlan(
            reason=loss.reason,
            message=message,
            status=failed(
                job,
                now,
                loss.reason,
                message,
                dead_letter=True,
                failures=failures,
                lost_attempts=lost,
            ),
            stop_runner=job.status.runner,
            event=Event("DeadLettered", f"{message} {loss.message}", warning=True),
            tidy=True,
        )
    can_start = observed.pool_exists and not observed.held and not job.spec.suspend
    return JobPlan(
        reason=loss.reason,
        message=loss.message,
        status=queued_again(job.status, now, failures=failures, lost_attempts=lost),
        queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
        stop_runner=job.status.runner,
        event=Event(loss.reason, f"{loss.message} Another runner starts over.", warning=True),
    )
