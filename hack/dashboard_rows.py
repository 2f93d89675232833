"""Rows, panels and queries of the Grafana dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

NS: Final = 'namespace=~"$namespace"'
OUTAGES_APART: Final = ', kind!~"redis|store|event|event_dropped"'
RATE: Final = "[$__rate_interval]"

Unit = Literal["short", "s", "Bps", "bytes", "percentunit", "reqps", "ops", "cores"]


@dataclass(frozen=True)
class Query:
    """One PromQL expression and the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel: title, description, queries and size."""

    title: str
    description: str
    queries: Sequence[Query]
    unit: Unit = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    height: int = 7
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


def _quantiles(metric: str, by: str = "") -> list[Query]:
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate({metric}_bucket{{{NS}}}{RATE}))"
    if by:
        return [Query(f"histogram_quantile(0.95, {buckets})", f"{{{{{by}}}}}")]
    return [
        Query(f"histogram_quantile({quantile}, {buckets})", name)
        for quantile, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
    ]


def _rate(metric: str, by: str, more: str = "") -> Query:
    return Query(f"sum by ({by}) (rate({metric}{{{NS}{more}}}{RATE}))", f"{{{{{by}}}}}")


def _stat(title: str, expr: str, description: str, unit: Unit = "short") -> Panel:
    return Panel(title, description, [Query(expr)], unit, "stat", width=4, height=4)


ROWS: Final[Sequence[Row]] = (
    Row(
        "Now",
        (
            _stat("Waiting", f"sum(wherry_queue_depth{{{NS}}})", "Jobs that are ready to run."),
            _stat(
                "Running", f"sum(wherry_claimed_jobs{{{NS}}})", "Jobs that runners are working on."
            ),
            _stat(
                "Longest wait",
                f"max(wherry_queue_oldest_age_seconds{{{NS}}})",
                "Age of the job that has waited longest for a runner.",
                "s",
            ),
            _stat(
                "Runners ready",
                f'sum(wherry_runners{{{NS}, state="ready"}})',
                "Runner pods that can claim jobs.",
            ),
            _stat(
                "Open streams",
                f"sum(wherry_api_streams{{{NS}}})",
                "Clients that follow a job over server-sent events.",
            ),
            _stat(
                "Dead letters",
                f"max(wherry_dead_letters{{{NS}}})",
                "Existing jobs that failed after using up their attempts.",
            ),
        ),
    ),
    Row(
        "Jobs",
        (
            Panel(
                "Jobs by phase",
                "All existing jobs, counted by the leading operator.",
                [Query(f"max by (phase) (wherry_jobs{{{NS}}})", "{{phase}}")],
                stacked=True,
            ),
            Panel(
                "Waiting jobs by pool",
                "Queue depth: jobs that are ready to run.",
                [Query(f"max by (pool) (wherry_queue_depth{{{NS}}})", "{{pool}}")],
            ),
            Panel(
                "Longest wait by pool",
                "Age of the job that has waited longest. Suspended jobs do not count.",
                [Query(f"max by (pool) (wherry_queue_oldest_age_seconds{{{NS}}})", "{{pool}}")],
                "s",
            ),
            Panel(
                "Time in the queue",
                "From queueing to the claim.",
                _quantiles("wherry_job_queue_duration_seconds"),
                "s",
            ),
            Panel(
                "Processing time",
                "From a job's first start to its completion.",
                _quantiles("wherry_job_processing_duration_seconds"),
                "s",
            ),
            Panel(
                "Finished jobs",
                "Finished jobs per second, by phase.",
                [_rate("wherry_jobs_ended_total", "phase")],
                "ops",
                stacked=True,
            ),
            Panel(
                "Failures by reason",
                "Failed and cancelled jobs per second.",
                [_rate("wherry_jobs_ended_total", "reason", ', phase!="Completed"')],
                "ops",
            ),
            Panel(
                "Bytes in archives",
                "Bytes in completed archives, per second.",
                [Query(f"sum(rate(wherry_archived_bytes_total{{{NS}}}{RATE}))", "bytes")],
                "Bps",
            ),
            Panel(
                "Files in archives",
                "Files in completed archives, per second.",
                [Query(f"sum(rate(wherry_archived_files_total{{{NS}}}{RATE}))", "files")],
                "ops",
            ),
        ),
    ),
    Row(
        "Runners",
        (
            Panel(
                "Runners by state",
                "Runner pods by state, and the desired number.",
                [Query(f"sum by (state) (wherry_runners{{{NS}}})", "{{state}}")],
            ),
            Panel(
                "Utilisation by pool",
                "Running jobs divided by the slots of ready runners.",
                [
                    Query(
                        f"max by (pool) (wherry_claimed_jobs{{{NS}}})"
                        f" / (max by (pool) (wherry_runner_slots{{{NS}}}) > 0)",
                        "{{pool}}",
                    )
                ],
                "percentunit",
            ),
            Panel(
                "Attempts by outcome",
                "Finished attempts per second.",
                [_rate("wherry_runner_attempts_total", "outcome")],
                "ops",
            ),
            Panel(
                "Claims by result",
                "Outcome of claims, per second.",
                [_rate("wherry_runner_claims_total", "result")],
                "ops",
            ),
            Panel(
                "Claim conflicts",
                "Claims refused because the job was changed in the meantime.",
                [Query(f"sum(rate(wherry_runner_claim_conflicts_total{{{NS}}}{RATE}))", "claims")],
                "ops",
            ),
            Panel(
                "Attempts lost with their runner",
                "By what happened to the runner.",
                [_rate("wherry_attempts_lost_total", "reason")],
                "ops",
            ),
        ),
    ),
    Row(
        "API",
        (
            Panel(
                "Requests by status",
                "Responses per second.",
                [_rate("wherry_api_requests_total", "status")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "95th percentile latency by route",
                "Time to the first byte of the response.",
                _quantiles("wherry_api_request_duration_seconds", "route"),
                "s",
            ),
            Panel(
                "Open streams by pod",
                "Open server-sent event streams.",
                [Query(f"sum by (instance) (wherry_api_streams{{{NS}}})", "{{instance}}")],
            ),
            Panel(
                "Events on streams",
                "Events sent per second.",
                [_rate("wherry_api_stream_events_total", "event")],
                "ops",
            ),
            Panel(
                "Requests refused by a limit",
                "Rejected requests per second, by limit.",
                [_rate("wherry_api_refused_total", "limit")],
                "ops",
            ),
            Panel(
                "Dependencies",
                "1 while every API pod reaches the dependency.",
                [
                    Query(
                        f"min by (dependency) (wherry_api_dependency_up{{{NS}}})", "{{dependency}}"
                    )
                ],
            ),
        ),
    ),
    Row(
        "Internals",
        (
            Panel(
                "Reconcile duration",
                "95th percentile of one reconciliation, including its writes.",
                _quantiles("wherry_reconcile_duration_seconds", "kind"),
                "s",
            ),
            Panel(
                "Reconcile errors",
                "Failed reconciliations per second. Each is retried.",
                [_rate("wherry_reconcile_errors_total", "kind")],
                "ops",
            ),
            Panel(
                "Requests to Kubernetes by verb",
                "All three programs, without watches.",
                [_rate("wherry_kubernetes_requests_total", "verb")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Redis",
                "1 while Redis answers the operator; index rebuilds per hour.",
                [
                    Query(f"max(wherry_redis_up{{{NS}}})", "up"),
                    Query(f"sum(increase(wherry_redis_resyncs_total{{{NS}}}[1h]))", "rebuilds"),
                ],
            ),
            Panel(
                "Leading operators",
                "Always 1, except for the seconds of a takeover.",
                [Query(f"sum(wherry_leader{{{NS}}})", "leading")],
            ),
            Panel(
                "Faults",
                "Unexpected errors within the last hour.",
                [
                    Query(f"sum(increase(wherry_{name}_faults_total{{{NS}{more}}}[1h]))", name)
                    for name, more in (("operator", OUTAGES_APART), ("runner", ""), ("api", ""))
                ],
            ),
            Panel(
                "Memory by pod",
                "Resident memory.",
                [
                    Query(
                        "process_resident_memory_bytes"
                        f" and on (instance) (wherry_leader{{{NS}}} or wherry_api_streams{{{NS}}}"
                        f" or wherry_runner_active_jobs{{{NS}}})",
                        "{{instance}}",
                    )
                ],
                "bytes",
                width=12,
            ),
            Panel(
                "CPU by pod",
                "Cores in use.",
                [
                    Query(
                        f"rate(process_cpu_seconds_total{RATE})"
                        f" and on (instance) (wherry_leader{{{NS}}} or wherry_api_streams{{{NS}}}"
                        f" or wherry_runner_active_jobs{{{NS}}})",
                        "{{instance}}",
                    )
                ],
                "cores",
                width=12,
            ),
        ),
    ),
)
