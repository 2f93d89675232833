"""Show a job until it ends: as a progress bar, as lines, or as JSON."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from wherry_client.cli.exit_status import ExitStatus, failed_job_hint
from wherry_client.cli.formatting import (
    RateMeter,
    bar_width,
    duration,
    headline,
    needs_line,
    rate_text,
)
from wherry_client.cli.output import Output
from wherry_client.cli.session import Session
from wherry_client.models import JobState, JobStatus

ON_INTERRUPT: Final = (("The job continues. Watch it: ", "watch"), ("Cancel it: ", "cancel"))


async def watch_job(session: Session, job_id: str, console: Console) -> JobStatus:
    """Show a job on ``console`` until it has ended, and return its last status."""
    session.job_id = job_id
    session.on_interrupt = [
        (words, f"wherry {command} {job_id}") for words, command in ON_INTERRUPT
    ]
    output = session.output
    async with aclosing(session.client.watch(job_id)) as statuses:
        if output.as_json:
            last = await _show_as_json(statuses, output)
        elif console.is_terminal:
            last = await _show_as_bar(statuses, console)
        else:
            last = await _show_as_lines(statuses, console)
    if not output.as_json and console.is_terminal:
        console.print(conclusion(last))
    return last


async def finish(session: Session, last: JobStatus) -> ExitStatus:
    """Return the exit status for a job that has ended; for a failed one, print what to do."""
    if last.state is JobState.COMPLETED:
        return ExitStatus.OK
    if not session.output.as_json:
        await session.check_for_missing_files()
        session.output.hint(*failed_job_hint(last.job_id, files_missing=session.files_missing))
    return ExitStatus.JOB_FAILED


def conclusion(status: JobStatus) -> Text:
    """Return the last line about a job that has ended."""
    text = headline(status)
    sentence = text[0].upper() + text[1:]
    if status.state is not JobState.COMPLETED:
        return Text.assemble(("✗ ", "bold red"), (sentence, "red"))
    took = ""
    if status.completed_at is not None:
        # Both times are whole seconds, so a fast job would show 0.
        seconds = max(1, (status.completed_at - status.created_at).total_seconds())
        took = f" ({duration(seconds)} after submission)"
    return Text.assemble(("✓ ", "bold green"), sentence, (took, "dim"))


async def _show_as_json(statuses: AsyncIterator[JobStatus], output: Output) -> JobStatus:
    last = None
    async for last in statuses:
        output.document(last.to_wire())
    return _last(last)


async def _show_as_lines(statuses: AsyncIterator[JobStatus], console: Console) -> JobStatus:
    last = shown = None
    shown_at = 0.0
    async for last in statuses:
        now = time.monotonic()
        if needs_line(last, shown, now - shown_at):
            console.print(Text(f"{last.job_id} {headline(last)}"))
            shown, shown_at = last, now
    return _last(last)


async def _show_as_bar(statuses: AsyncIterator[JobStatus], console: Console) -> JobStatus:
    last = None
    meter = RateMeter()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(
            bar_width=bar_width(console.width), complete_style="cyan", finished_style="green"
        ),
        _Details(meter),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("connecting", total=None)
        async for last in statuses:
            queued = last.state is JobState.QUEUED
            if not queued:
                meter.add(time.monotonic(), last)
            progress.update(
                bar,
                description="queued" if queued else "bundling",
                total=None if queued else 100,
                completed=last.progress,
                status=last,
            )
    return _last(last)


class _Details(ProgressColumn):
    """Per cent, files, rate and time left, or the position in the queue."""

    def __init__(self, meter: RateMeter) -> None:
        super().__init__(table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._meter = meter

    def render(self, task: Task) -> Text:
        status = task.fields.get("status")
        if not isinstance(status, JobStatus):
            return Text("")
        return progress_details(status, self._meter, time.monotonic())


def progress_details(status: JobStatus, meter: RateMeter, now: float) -> Text:
    """Return the text behind the progress bar."""
    if status.state is JobState.QUEUED:
        return Text(headline(status).removeprefix("queued").lstrip(",: "))
    parts = [
        f"{status.progress:>3}%",
        f"{status.completed_files:,}/{status.total_files:,} files",
        rate_text(meter.rate(now)),
    ]
    seconds = meter.seconds_left(now)
    if seconds is not None:
        parts.append(f"{duration(seconds)} left")
    return Text("  ".join(part for part in parts if part))


def _last(status: JobStatus | None) -> JobStatus:
    if status is None:
        raise RuntimeError("a watch yields at least the last status")
    return status
