"""Counts requests to the Kubernetes API, in all three programs under one name."""

from typing import Final

from prometheus_client import Counter

LOST: Final = "lost"
"""Stands for the status code where no answer came."""
OTHER: Final = "other"

REQUESTS: Final = Counter(
    "wherry_kubernetes_requests",
    "Requests to the Kubernetes API, without the watches (code lost: no answer came).",
    ["verb", "resource", "code"],
)


def count(verb: str, path: str, status: int) -> None:
    """Count one request by its HTTP method; status 0: no answer came."""
    REQUESTS.labels(verb, resource_of(path), str(status) if status else LOST).inc()


def resource_of(path: str) -> str:
    """Return the resource of a path, with its subresource: of a bounded set, for labels."""
    parts = path.strip("/").split("/")
    after = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    if len(after) > 2 and after[0] == "namespaces":
        after = after[2:]
    if not after:
        return OTHER
    return after[0] if len(after) < 3 else f"{after[0]}/{after[2]}"
