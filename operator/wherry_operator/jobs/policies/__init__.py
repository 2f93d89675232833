"""The decisions about a job, one policy a file; the first with an answer decides."""

from typing import Final

from wherry_operator.jobs.plan import Policy
from wherry_operator.jobs.policies.active_deadline import fail_at_deadline
from wherry_operator.jobs.policies.admission import admit
from wherry_operator.jobs.policies.cancellation import cancel
from wherry_operator.jobs.policies.deletion import leave_deleted
from wherry_operator.jobs.policies.failed_attempt import judge_failed_attempt
from wherry_operator.jobs.policies.hand_back import take_back
from wherry_operator.jobs.policies.lifetime import end_lifetime
from wherry_operator.jobs.policies.lost_runner import replace_lost_runner
from wherry_operator.jobs.policies.queue_timeout import fail_after_waiting
from wherry_operator.jobs.policies.queueing import queue_when_due
from wherry_operator.jobs.policies.retry_request import label_dead_letter, retry_on_request
from wherry_operator.jobs.policies.suspension import resume, suspend_queued, suspend_running
from wherry_operator.jobs.policies.unknown_pool import wait_for_pool

JOB_POLICIES: Final[tuple[Policy, ...]] = (
    leave_deleted,
    retry_on_request,
    label_dead_letter,
    end_lifetime,
    cancel,
    admit,
    fail_at_deadline,
    judge_failed_attempt,
    take_back,
    replace_lost_runner,
    suspend_running,
    suspend_queued,
    resume,
    fail_after_waiting,
    wait_for_pool,
    queue_when_due,
)
