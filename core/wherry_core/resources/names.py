"""Names in the cluster that users see: labels, annotations, condition types and reasons.

Each stands here once and is used by name everywhere. Renaming one breaks selectors, alerts and
scripts of users, and belongs in CHANGELOG.md.
"""

import re
from enum import StrEnum
from typing import Final

from wherry_core.resources.base import GROUP

# Labels and annotations of jobs.
REQUESTED_BY_LABEL: Final = f"{GROUP}/requested-by"
"""Which program created a job; "api" for jobs of the HTTP API."""
RETRY_OF_LABEL: Final = f"{GROUP}/retry-of"
"""Name of the job that this one retries, shortened to a label's 63 characters."""
DEAD_LETTER_LABEL: Final = f"{GROUP}/dead-letter"
""""true" on a job that has used up its attempts."""
RETRY_ANNOTATION: Final = f"{GROUP}/retry"
"""Set by a user on a failed or cancelled job: asks for a new job with the same files."""
REQUEST_DIGEST_ANNOTATION: Final = f"{GROUP}/request-digest"
"""Digest of the HTTP request that created a job; recognizes a repeated request."""
TRACEPARENT_ANNOTATION: Final = f"{GROUP}/traceparent"
"""Trace context of the request that created a job (W3C Trace Context)."""

# Labels and annotations of pools and runner pods.
POOL_LABEL: Final = f"{GROUP}/pool"
"""Name of the pool that a runner pod belongs to."""
TEMPLATE_HASH_ANNOTATION: Final = f"{GROUP}/template-hash"
"""Hash of the pool's template that a runner pod was made from."""
APPLIED_HASH_ANNOTATION: Final = f"{GROUP}/applied-hash"
"""Hash of the manifest that the chart made its pool from."""

# Controller name in Events.
OPERATOR_COMPONENT: Final = f"{GROUP}/operator"


class JobCondition(StrEnum):
    """Types of a DownloadJob's conditions."""

    COMPLETE = "Complete"
    """The archive is stored."""
    FAILED = "Failed"
    """The job has failed for good."""
    DEAD_LETTERED = "DeadLettered"
    """The job has failed and used up its attempts."""
    SUSPENDED = "Suspended"
    """The job is held outside the queue by spec.suspend."""
    WAITING = "Waiting"
    """The job has waited for a runner for some time; the reason says for what."""
    READABLE = "Readable"
    """False: the operator cannot read the resource, and leaves it alone."""


class PoolCondition(StrEnum):
    """Types of a RunnerPool's conditions."""

    AVAILABLE = "Available"
    """Runners take jobs, or none is needed."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pool's runner pods."""
    SCALING_LIMITED = "ScalingLimited"
    """More runners are needed than the pool's bounds allow."""
    PAUSED = "Paused"
    """The pool is paused by spec.paused."""
    READABLE = "Readable"
    """False: the operator cannot read the resource, and leaves it alone."""


MAX_LABEL_LENGTH: Final = 63


def label_value(text: str) -> str:
    """Return ``text`` shortened to what a label's value may be.

    Keeps the first 63 characters, and drops those at the end that a value may not end with
    (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/).
    """
    return re.sub(r"[^A-Za-z0-9]+$", "", text[:MAX_LABEL_LENGTH])


class JobReason(StrEnum):
    """Reasons of a job's conditions, failures and Events that the operator writes."""

    # Of the condition Waiting.
    POOL_NOT_FOUND = "PoolNotFound"
    POOL_UNREADABLE = "PoolUnreadable"
    WAITING_FOR_RETRY = "WaitingForRetry"
    REDIS_UNAVAILABLE = "RedisUnavailable"
    TENANT_LIMIT = "TenantLimit"
    POOL_PAUSED = "PoolPaused"
    MAX_RUNNERS_ZERO = "MaxRunnersZero"
    NO_NODE = "NoNode"
    RUNNERS_DO_NOT_START = "RunnersDoNotStart"
    RUNNERS_START = "RunnersStart"
    MAX_RUNNERS = "MaxRunners"
    RUNNERS_BUSY = "RunnersBusy"
    # Of the condition Suspended.
    SUSPEND_REQUESTED = "SuspendRequested"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    # Of an attempt that ended early.
    ATTEMPT_FAILED = "AttemptFailed"
    HANDED_BACK = "HandedBack"
    RUNNER_GONE = "RunnerGone"
    RUNNER_UNRESPONSIVE = "RunnerUnresponsive"
    RUNNER_EVICTED = "RunnerEvicted"
    RUNNER_LEFT = "RunnerLeft"
    RUNNER_FAILED = "RunnerFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    # Of a job that has ended.
    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    QUEUE_TIMEOUT = "QueueTimeout"
    DEAD_LETTERED = "DeadLettered"
    ATTEMPTS_USED_UP = "AttemptsUsedUp"
    # Of a retry by annotation.
    RETRIED = "Retried"
    RETRY_REFUSED = "RetryRefused"


class PoolReason(StrEnum):
    """Reasons of a pool's conditions and Events."""

    # Of the condition Available.
    RUNNERS_READY = "RunnersReady"
    RUNNERS_START = "RunnersStart"
    RUNNERS_DO_NOT_START = "RunnersDoNotStart"
    RUNNERS_FAIL = "RunnersFail"
    SCALED_TO_ZERO = "ScaledToZero"
    POOL_PAUSED = "PoolPaused"
    MAX_RUNNERS_ZERO = "MaxRunnersZero"
    # Of the conditions Unschedulable, ScalingLimited and Paused.
    NO_NODE = "NoNode"
    RUNNERS_SCHEDULED = "RunnersScheduled"
    MAX_RUNNERS = "MaxRunners"
    WITHIN_BOUNDS = "WithinBounds"
    PAUSED_BY_SPEC = "PausedBySpec"
    NOT_PAUSED = "NotPaused"
    # Of Events.
    RUNNERS_STARTED = "RunnersStarted"
    RUNNERS_DRAINED = "RunnersDrained"
    RUNNERS_RETIRED = "RunnersRetired"
    RUNNER_REFUSED = "RunnerRefused"
    RUNNER_UNRESPONSIVE = "RunnerUnresponsive"
