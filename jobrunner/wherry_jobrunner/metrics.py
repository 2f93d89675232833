"""The runner's metrics; each one's help text explains it."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CLAIMS: Final = Counter(
    "wherry_runner_claims", "Jobs taken from the queue, by what became of them", ["result"]
)
CLAIM_CONFLICTS: Final = Counter(
    "wherry_runner_claim_conflicts", "Claims refused because somebody else changed the job first"
)
ATTEMPTS: Final = Counter("wherry_runner_attempts", "Attempts that ended, by outcome", ["outcome"])
ATTEMPT_SECONDS: Final = Histogram(
    "wherry_runner_attempt_duration_seconds",
    "Time from the claim of an attempt to its end",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600),
)
ACTIVE_JOBS: Final = Gauge("wherry_runner_active_jobs", "Jobs that the runner works on now")
ARCHIVED_FILES: Final = Counter("wherry_runner_archived_files", "Files in completed archives")
ARCHIVED_BYTES: Final = Counter("wherry_runner_archived_bytes", "Bytes of completed archives")
REDIS_LOST: Final = Counter("wherry_runner_redis_lost", "Times that Redis stopped answering")
FAULTS: Final = Counter("wherry_runner_faults", "Errors in the runner itself", ["where"])

# Pre-create the series, because ``increase()`` misses a counter's first sample.
for _place in (
    "checking the claim",
    "claiming",
    "completing an attempt",
    "making an archive",
    "publishing progress",
    "recording a completion",
    "recording progress",
    "serving a job",
    "taking jobs",
    "the heartbeat",
    "watching the operator",
):
    FAULTS.labels(_place)
