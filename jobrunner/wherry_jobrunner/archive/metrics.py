"""The engine's metrics; what each one means is its help text."""

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
    "Requests to the store or the catalogue that were tried again, by what was in the way",
    ["cause"],
)

READ: Final = MOVED_BYTES.labels("read")
WRITTEN: Final = MOVED_BYTES.labels("written")
COPIED: Final = MOVED_BYTES.labels("copied")
REUSED: Final = MOVED_BYTES.labels("reused")

# Series that are there from the start: the first increase of one that appears with it is not seen.
for _cause in ("connection", "status", "timeout", "truncated"):
    REQUEST_RETRIES.labels(_cause)
