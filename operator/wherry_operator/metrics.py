"""The operator's counters and histograms. Only the replica that acts counts.

The gauges of the whole cluster are in :mod:`wherry_operator.cluster_metrics`.
"""

from typing import Final

from prometheus_client import Counter, Histogram

RECONCILE_SECONDS: Final = Histogram(
    "wherry_reconcile_duration_seconds",
    "Time that one decision and its effects took.",
    ["kind"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
RECONCILE_ERRORS: Final = Counter(
    "wherry_reconcile_errors_total", "Decisions that could not be carried out.", ["kind"]
)
JOBS_ENDED: Final = Counter("wherry_jobs_ended_total", "Jobs that ended.", ["phase", "reason"])
JOBS_DEAD_LETTERED: Final = Counter(
    "wherry_jobs_dead_lettered_total", "Jobs that failed with all attempts used up."
)
ARCHIVED_BYTES: Final = Counter("wherry_archived_bytes_total", "Bytes of completed archives.")
ARCHIVED_FILES: Final = Counter("wherry_archived_files_total", "Files in completed archives.")
PROCESSING_SECONDS: Final = Histogram(
    "wherry_job_processing_duration_seconds",
    "Time from a job's first start to its completion.",
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400),
)
QUEUE_SECONDS: Final = Histogram(
    "wherry_job_queue_duration_seconds",
    "Time from a job's entry into the queue to its claim.",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3600),
)
ATTEMPTS_LOST: Final = Counter(
    "wherry_attempts_lost_total", "Attempts that ended with their runner.", ["reason"]
)
STATUS_CONFLICTS: Final = Counter(
    "wherry_status_conflicts_total", "Status writes dropped because a newer version was there."
)
REDIS_RESYNCS: Final = Counter(
    "wherry_redis_resyncs_total", "Times that the index in Redis was rebuilt.", ["reason"]
)
REDIS_REPAIRS: Final = Counter(
    "wherry_redis_repairs_total", "Queue entries added or removed by a rebuild.", ["change"]
)
SWEEP_REPAIRS: Final = Counter(
    "wherry_cache_repairs_total", "Objects that the watches had missed.", ["kind", "change"]
)
ORPHANS_REMOVED: Final = Counter(
    "wherry_orphans_removed_total", "Objects and uploads in the store that no job owned.", ["kind"]
)
PODS_STARTED: Final = Counter("wherry_runner_pods_started_total", "Runner pods created.", ["pool"])
FAULTS: Final = Counter("wherry_operator_faults_total", "Faults of the operator.", ["kind"])

# Pre-create the series, because `increase()` misses a counter's first sample.
for _reason in ("lost_writes", "reconnected"):
    REDIS_RESYNCS.labels(reason=_reason)
for _kind in ("clean_up", "event", "event_dropped", "redis", "store", "sweep", "unreadable"):
    FAULTS.labels(kind=_kind)
for _kind in ("job", "pool"):
    RECONCILE_ERRORS.labels(kind=_kind)
