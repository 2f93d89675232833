"""Showing a job on its way: a progress bar, lines, or JSON."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from wherry_client.cli.screen import Screen
from wherry_client.cli.words import (
    RateMeter,
    bar_width,
    duration,
    headline,
    rate_words,
    worth_a_line,
)
from wherry_client.client import WherryClient
from wherry_client.models import JobState, JobStatus


async def follow(client: WherryClient, job_id: str, screen: Screen, on: Console) -> JobStatus:
    """Show a job until it has ended, and return how; ``on`` is where lines or the bar go."""
    async with aclosing(client.watch(job_id)) as statuses:
        if screen.as_json:
            last = await _as_json(statuses, screen)
        elif on.is_terminal:
            last = await _as_bar(statuses, on)
        else:
            last = await _as_lines(statuses, on)
    if not screen.as_json and on.is_terminal:
        on.print(conclusion(last))
    return last


def conclusion(status: JobStatus) -> Text:
    """Return the last line about a job that has ended."""
    words = headline(status)
    sentence = words[0].upper() + words[1:]
    took = ""
    if status.completed_at is not None:
        # Both times are whole seconds.
        seconds = max(1, (status.completed_at - status.created_at).total_seconds())
        took = f" ({duration(seconds)} after it was asked for)"
    if status.state is JobState.COMPLETED:
        return Text.assemble(("✓ ", "bold green"), sentence, (took, "dim"))
    return Text.assemble(("✗ ", "bold red"), (sentence, "red"))


async def _as_json(statuses: AsyncIterator[JobStatus], screen: Screen) -> JobStatus:
    last = None
    async for last in statuses:
        screen.document(last.to_wire())
    return _ended(last)


async def _as_lines(statuses: AsyncIterator[JobStatus], on: Console) -> JobStatus:
    last = shown = None
    shown_at = 0.0
    async for last in statuses:
        now = time.monotonic()
        if worth_a_line(last, shown, now - shown_at):
            on.print(Text(f"{last.job_id} {headline(last)}"))
            shown, shown_at = last, now
    return _ended(last)


async def _as_bar(statuses: AsyncIterator[JobStatus], on: Console) -> JobStatus:
    last = None
    meter = RateMeter()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=bar_width(on.width), complete_style="cyan", finished_style="green"),
        _Details(meter),
    )
    with Progress(*columns, console=on, transient=True) as progress:
        bar = progress.add_task("asking", total=None)
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
    return _ended(last)


class _Details(ProgressColumn):
    """Per cent, files, rate and time left, or the place in the queue."""

    def __init__(self, meter: RateMeter) -> None:
        super().__init__(table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._meter = meter

    def render(self, task: Task) -> Text:
        status = task.fields.get("status")
        if not isinstance(status, JobStatus):
            return Text("")
        return details(status, self._meter, time.monotonic())


def details(status: JobStatus, meter: RateMeter, now: float) -> Text:
    """Return what stands behind the bar."""
    if status.state is JobState.QUEUED:
        return Text(headline(status).removeprefix("queued").lstrip(",: "))
    words = [
        f"{status.progress:>3}%",
        f"{status.completed_files:,}/{status.total_files:,} files",
        rate_words(meter.rate(now)),
    ]
    left = meter.left(now)
    if left is not None:
        words.append(f"{duration(left)} left")
    return Text("  ".join(word for word in words if word))


def _ended(last: JobStatus | None) -> JobStatus:
    if last is None:
        raise RuntimeError("a watch yields at least how the job ended")
    return last
