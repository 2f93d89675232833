"""The engine's metrics; each one's help text explains it."""

from typing import Final

from prometheus_client import Counter

MOVED_BYTES: Final = Counter(
    "wherry_runner_moved_bytes",
    "Bytes of archives in the making, by how they moved: read from the store, written to it, "
    "copied by the store itself, or reused from an earlier attempt",
    ["way"],
)
REQUEST_RETRIES: Final = Counter(
    "wherry_runner_request_retries",
    "Requests to the store or the catalogue that were retried, by cause",
    ["cause"],
)
UNABORTED_UPLOADS: Final = Counter(
    "wherry_runner_unaborted_uploads",
    "Multipart uploads that the store did not let the runner abort; they hold storage until the "
    "job is deleted or a lifecycle rule of the bucket removes them",
)

READ: Final = MOVED_BYTES.labels("read")
WRITTEN: Final = MOVED_BYTES.labels("written")
COPIED: Final = MOVED_BYTES.labels("copied")
REUSED: Final = MOVED_BYTES.labels("reused")

# Pre-create the series, because ``increase()`` misses a counter's first sample.
for _cause in ("connection", "status", "timeout", "truncated"):
    REQUEST_RETRIES.labels(_cause)
