"""Metrics of the API, served on a port of their own (WHERRY_METRICS_PORT)."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "wherry_api_requests",
    "Requests answered",
    ("route", "method", "status"),
)
REQUEST_SECONDS = Histogram(
    "wherry_api_request_duration_seconds",
    "Time until an answer began",
    ("route", "method"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
FAULTS = Counter(
    "wherry_api_faults",
    "Requests and background tasks that failed with an unexpected error",
    ("route",),
)
BACKGROUND = "background"
"""Label of background tasks, instead of a route."""
KUBERNETES_SECONDS = Histogram(
    "wherry_api_kubernetes_request_duration_seconds",
    "Time of a request to the Kubernetes API server",
    ("method", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REDIS_FAILURES = Counter("wherry_api_redis_failures", "Commands that Redis did not answer")
DEPENDENCY_UP = Gauge(
    "wherry_api_dependency_up", "1 when the dependency answered the last check", ("dependency",)
)
JOBS_CREATED = Counter("wherry_api_jobs_created", "Jobs created", ("tenant",))
REFUSED = Counter("wherry_api_refused", "Requests refused by a limit", ("limit",))
STREAMS = Gauge("wherry_api_streams", "Open streams")
STREAM_EVENTS = Counter("wherry_api_stream_events", "Events sent on streams", ("event",))
STREAMS_DROPPED = Counter(
    "wherry_api_streams_dropped", "Streams closed because the client had stalled"
)
SUBSCRIPTION_LOST = Counter(
    "wherry_api_subscription_lost", "Times the subscription to Redis was lost"
)
FALLBACK_READS = Counter(
    "wherry_api_stream_fallback_reads", "Jobs that streams read from the Kubernetes API"
)

# Pre-create the series, because `increase()` misses a counter's first sample.
for _route in ("unknown", BACKGROUND):
    FAULTS.labels(_route)
for _limit in ("requests", "streams", "creates", "heads", "bodies"):
    REFUSED.labels(_limit)


class KubernetesTimes:
    """Observes the time of every request to the Kubernetes API."""

    def sending(self, method: str, path: str) -> None:
        """Ignore the start of a request."""

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Record the time of a request; status 0 when no answer came."""
        KUBERNETES_SECONDS.labels(method, str(status) if status else "unavailable").observe(seconds)
