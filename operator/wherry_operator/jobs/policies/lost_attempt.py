"""Attempts whose runner was lost: evicted, failed, deleted or unresponsive."""

from dataclasses import replace

from wherry_core.resources import Failure, Phase
from wherry_core.resources.names import JobReason
from wherry_operator.event_recorder import Event
from wherry_operator.jobs.plan import JobPlan, ObservedJob, QueueChange
from wherry_operator.jobs.policies.failed_attempt import after_failure
from wherry_operator.jobs.status_changes import failed, queued_again, with_failure
from wherry_operator.policies import Stop


def replace_lost_runner(observed: ObservedJob, _plan: JobPlan) -> Stop[JobPlan] | None:
    """Queue the job for another runner. Lost attempts have a limit of their own."""
    job, loss, now = observed.job, observed.loss, observed.now
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
        blamed = job.model_copy(update={"status": status})
        return Stop(after_failure(replace(observed, job=blamed), failure))
    lost = job.status.lost_attempts + 1
    limit = observed.rules.lost_attempts_limit
    if lost > limit:
        message = f"The job lost its runner {lost} times. The limit is {limit}."
        status = failed(
            job,
            now,
            loss.reason,
            message,
            dead_letter=True,
            failures=failures,
            lost_attempts=lost,
        )
        return Stop(
            JobPlan(
                reason=loss.reason,
                message=message,
                status=status,
                stop_runner=job.status.runner is not None,
                event=Event(JobReason.DEAD_LETTERED, f"{message} {loss.message}", warning=True),
                clean_up=True,
            )
        )
    can_start = observed.pool_exists and not observed.held and not job.spec.suspend
    return Stop(
        JobPlan(
            reason=loss.reason,
            message=loss.message,
            status=queued_again(job.status, now, failures=failures, lost_attempts=lost),
            queue=QueueChange.PUT if can_start else QueueChange.LEAVE,
            stop_runner=job.status.runner is not None,
            event=Event(
                loss.reason, f"{loss.message} Another runner starts the job again.", warning=True
            ),
        )
    )
