"""What Grafana's dashboard of Wherry shows: rows of panels with their queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

NS: Final = 'namespace=~"$namespace"'
OUTAGES_APART: Final = ', kind!~"redis|store|event|event_dropped"'
RATE: Final = "[$__rate_interval]"

Unit = Literal["short", "s", "Bps", "bytes", "percentunit", "reqps", "ops", "cores"]


@dataclass(frozen=True)
class Query:
    """One PromQL expression and the name of its lines."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel: its queries, what it tells, how wide it is."""

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
            _stat("Waiting", f"sum(wherry_queue_depth{{{NS}}})", "Jobs that could run now."),
            _stat("Running", f"sum(wherry_claimed_jobs{{{NS}}})", "Jobs that runners work on."),
            _stat(
                "Longest wait",
                f"max(wherry_queue_oldest_age_seconds{{{NS}}})",
                "Age of the job that has waited longest for a runner.",
                "s",
            ),
            _stat(
                "Runners ready",
                f'sum(wherry_runners{{{NS}, state="ready"}})',
                "Runner pods that take jobs.",
            ),
            _stat(
                "Open streams",
                f"sum(wherry_api_streams{{{NS}}})",
                "Clients that follow a job by server-sent events.",
            ),
            _stat(
                "Dead letters",
                f"max(wherry_dead_letters{{{NS}}})",
                "Jobs that failed with all attempts used up, and still exist.",
            ),
        ),
    ),
    Row(
        "Jobs",
        (
            Panel(
                "Jobs by phase",
                "All jobs that exist, counted by the operator that acts.",
                [Query(f"max by (phase) (wherry_jobs{{{NS}}})", "{{phase}}")],
                stacked=True,
            ),
            Panel(
                "Waiting jobs by pool",
                "Queue depth: jobs that could run now.",
                [Query(f"max by (pool) (wherry_queue_depth{{{NS}}})", "{{pool}}")],
            ),
            Panel(
                "Longest wait by pool",
                "Age of the job that has waited longest; suspended jobs do not wait.",
                [Query(f"max by (pool) (wherry_queue_oldest_age_seconds{{{NS}}})", "{{pool}}")],
                "s",
            ),
            Panel(
                "Time in the queue",
                "From the entry into the queue to the claim.",
                _quantiles("wherry_job_queue_duration_seconds"),
                "s",
            ),
            Panel(
                "Processing time",
                "From the first start of a job to its completion.",
                _quantiles("wherry_job_processing_duration_seconds"),
                "s",
            ),
            Panel(
                "Jobs ended",
                "Ended jobs a second, by phase.",
                [_rate("wherry_jobs_ended_total", "phase")],
                "ops",
                stacked=True,
            ),
            Panel(
                "Failures by reason",
                "Failed and cancelled jobs a second.",
                [_rate("wherry_jobs_ended_total", "reason", ', phase!="Completed"')],
                "ops",
            ),
            Panel(
                "Bytes in archives",
                "Bytes of the archives that were completed, a second.",
                [Query(f"sum(rate(wherry_archived_bytes_total{{{NS}}}{RATE}))", "bytes")],
                "Bps",
            ),
            Panel(
                "Files in archives",
                "Files of the archives that were completed, a second.",
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
                "Runner pods, and how many the operator wants.",
                [Query(f"sum by (state) (wherry_runners{{{NS}}})", "{{state}}")],
            ),
            Panel(
                "Utilisation by pool",
                "Running jobs for each place of the ready runners.",
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
                "Attempts that ended, a second.",
                [_rate("wherry_runner_attempts_total", "outcome")],
                "ops",
            ),
            Panel(
                "Claims by result",
                "What became of jobs that runners took from the queue.",
                [_rate("wherry_runner_claims_total", "result")],
                "ops",
            ),
            Panel(
                "Claim conflicts",
                "Claims refused because somebody else changed the job first.",
                [Query(f"sum(rate(wherry_runner_claim_conflicts_total{{{NS}}}{RATE}))", "claims")],
                "ops",
            ),
            Panel(
                "Attempts lost with their runner",
                "By what became of the runner.",
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
                "Requests answered a second.",
                [_rate("wherry_api_requests_total", "status")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Slowest of twenty requests, by route",
                "95th percentile of the time until an answer begins.",
                _quantiles("wherry_api_request_duration_seconds", "route"),
                "s",
            ),
            Panel(
                "Open streams by pod",
                "Server-sent event streams.",
                [Query(f"sum by (instance) (wherry_api_streams{{{NS}}})", "{{instance}}")],
            ),
            Panel(
                "Events on streams",
                "Events sent a second.",
                [_rate("wherry_api_stream_events_total", "event")],
                "ops",
            ),
            Panel(
                "Requests refused by a limit",
                "By the limit that was reached.",
                [_rate("wherry_api_refused_total", "limit")],
                "ops",
            ),
            Panel(
                "Dependencies",
                "1 while all pods of the API reach Kubernetes and Redis.",
                [
                    Query(
                        f"min by (dependency) (wherry_api_dependency_up{{{NS}}})", "{{dependency}}"
                    )
                ],
            ),
        ),
    ),
    Row(
        "Inside",
        (
            Panel(
                "Time of a decision",
                "95th percentile: one decision of the operator with its effects.",
                _quantiles("wherry_reconcile_duration_seconds", "kind"),
                "s",
            ),
            Panel(
                "Decisions that failed",
                "They are tried again.",
                [_rate("wherry_reconcile_errors_total", "kind")],
                "ops",
            ),
            Panel(
                "Requests to Kubernetes by verb",
                "Of all three programs, without the watches.",
                [_rate("wherry_kubernetes_requests_total", "verb")],
                "reqps",
                stacked=True,
            ),
            Panel(
                "Redis",
                "1 while Redis answers the operator; rebuilds of its index in an hour.",
                [
                    Query(f"max(wherry_redis_up{{{NS}}})", "up"),
                    Query(f"sum(increase(wherry_redis_resyncs_total{{{NS}}}[1h]))", "rebuilds"),
                ],
            ),
            Panel(
                "Operators that act",
                "Always 1, but for the seconds of a takeover.",
                [Query(f"sum(wherry_leader{{{NS}}})", "acting")],
            ),
            Panel(
                "Faults",
                "Errors of Wherry itself within an hour.",
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
                "Processor by pod",
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
