"""Jobs as tables and lines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from wherry_client.cli.formatting import ago, count, duration, plain, size_of
from wherry_client.models import JobState, JobStatus, format_time

STYLES = {
    JobState.QUEUED: "yellow",
    JobState.PROCESSING: "blue",
    JobState.COMPLETED: "green",
    JobState.FAILED: "red",
}
GAP = "  "
COLUMNS = ("JOB", "STATE", "FILES", "SIZE", "CREATED")


def jobs_table(jobs: Sequence[JobStatus], now: datetime, width: int) -> Table:
    """Return a table of jobs for a terminal of ``width`` columns; errors fill the rest."""
    rows = [_cells(job, now) for job in jobs]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    left = max(len("ERROR"), width - sum(widths) - len(GAP) * len(widths))
    table = Table(box=None, padding=(0, len(GAP), 0, 0), pad_edge=False, header_style="bold")
    for name, own in zip(COLUMNS, widths, strict=True):
        right = name in {"FILES", "SIZE"}
        table.add_column(name, width=own, no_wrap=True, justify="right" if right else "left")
    table.add_column("ERROR", width=left, no_wrap=True, overflow="ellipsis")
    for job, (job_id, state, *others) in zip(jobs, rows, strict=True):
        error = Text(plain(job.error or ""), style="red")
        table.add_row(job_id, Text(state, style=STYLES[job.state]), *others, error)
    return table


def _cells(job: JobStatus, now: datetime) -> tuple[str, ...]:
    running = job.state is JobState.PROCESSING
    files = f"{job.total_files:,}"
    whole = job.state is JobState.FAILED or job.completed_files == job.total_files
    return (
        job.job_id,
        job.state.value + (f" {job.progress}%" if running else ""),
        files if job.ended and whole else f"{job.completed_files:,}/{files}",
        size_of(job),
        ago(job.created_at, now),
    )


def job_line(job: JobStatus) -> str:
    """Return a job as one tab-separated line for programs."""
    fields = (
        job.job_id,
        job.state.value,
        str(job.progress),
        f"{job.completed_files}/{job.total_files}",
        "" if job.size is None else str(job.size),
        format_time(job.created_at),
        plain(job.error or ""),
    )
    return "\t".join(fields)


def status_rows(job: JobStatus) -> list[tuple[str, str]]:
    """Return the status of one job as rows of name and value."""
    rows = [
        ("Job", job.job_id),
        ("State", job.state.value),
        ("Progress", f"{job.progress}%"),
        ("Files", f"{job.completed_files:,} of {count(job.total_files, 'file')}"),
    ]
    if job.size is not None:
        rows.append(("Archive", f"{size_of(job)} ({job.size:,} bytes)"))
    if job.queue_position is not None:
        rows.append(("Queue position", f"{job.queue_position:,}"))
    if job.estimated_seconds is not None:
        rows.append(("Time left", f"about {duration(job.estimated_seconds)}"))
    rows.append(("Created", _time(job.created_at)))
    if job.completed_at is not None:
        took = duration((job.completed_at - job.created_at).total_seconds())
        rows.append(("Ended", f"{_time(job.completed_at)} (after {took})"))
    if job.error is not None:
        rows.append(("Error", plain(job.error)))
    return rows


def status_table(job: JobStatus) -> Table:
    """Return the status of one job as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in status_rows(job):
        table.add_row(name, Text(value, style=STYLES[job.state] if name == "State" else ""))
    return table


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
