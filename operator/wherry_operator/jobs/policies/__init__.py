"""The decision about a job: its policies in order."""

from typing import Final

from wherry_operator.jobs.plan import JobPlan, JobPolicy, ObservedJob
from wherry_operator.jobs.policies.active_deadline import fail_at_deadline
from wherry_operator.jobs.policies.admission import admit
from wherry_operator.jobs.policies.bookkeeping import acknowledge_generation, set_timer
from wherry_operator.jobs.policies.cancellation import cancel
from wherry_operator.jobs.policies.dead_letters import label_dead_letter, retry_on_request
from wherry_operator.jobs.policies.deletion import stop_deleted
from wherry_operator.jobs.policies.expiry import delete_expired, keep_ended
from wherry_operator.jobs.policies.failed_attempt import judge_failed_attempt
from wherry_operator.jobs.policies.hand_back import requeue_handed_back
from wherry_operator.jobs.policies.lost_attempt import replace_lost_runner
from wherry_operator.jobs.policies.queue_timeout import fail_after_waiting
from wherry_operator.jobs.policies.queueing import queue_when_due
from wherry_operator.jobs.policies.suspension import resume, suspend_queued, suspend_running
from wherry_operator.jobs.policies.unknown_pool import wait_for_pool
from wherry_operator.jobs.policies.waiting import explain_waiting
from wherry_operator.policies import decide

JOB_POLICIES: Final[tuple[JobPolicy, ...]] = (
    # The comment beside a policy says what can no longer be the case below it.
    stop_deleted,  # the job is being deleted
    delete_expired,  # the job has expired; nothing that may be refused stands above this
    label_dead_letter,  # a dead letter has no label
    retry_on_request,  # an ended job asks for a retry
    keep_ended,  # the job has ended
    cancel,  # the job is to be cancelled
    admit,  # the job has no phase: from here on it is Queued or Processing
    resume,  # the job was resumed, and its times still include the suspension
    fail_at_deadline,  # the active deadline has passed
    judge_failed_attempt,  # the runner has reported a failed attempt
    requeue_handed_back,  # the job is Processing without a runner
    replace_lost_runner,  # the job is Processing on a lost runner
    suspend_running,  # the job is Processing: from here on it is Queued
    suspend_queued,  # the job is suspended: from here on it waits for a runner
    fail_after_waiting,  # the job has waited for too long
    wait_for_pool,  # the pool does not exist
    queue_when_due,  # any job: this one decides about all that are left
)

JOB_ADDITIONS: Final[tuple[JobPolicy, ...]] = (
    # These add to every decision and never stop.
    acknowledge_generation,  # plan.status lacks the newest generation
    explain_waiting,  # plan.status has a stale condition Waiting
    set_timer,  # plan.requeue_at is later than the next deadline
)


def plan_job(observed: ObservedJob) -> JobPlan:
    """Return what to do with a job now."""
    plan = decide(JOB_POLICIES, observed, JobPlan())
    return decide(JOB_ADDITIONS, observed, plan)
