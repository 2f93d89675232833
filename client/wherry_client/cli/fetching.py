"""Fetching an archive with a bar, or with lines."""

import time
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from wherry_client.cli.screen import Screen
from wherry_client.cli.words import bar_width
from wherry_client.client import WherryClient


async def fetch(
    client: WherryClient, job_id: str, path: Path, screen: Screen, *, overwrite: bool
) -> Path:
    """Fetch the archive of a job, show how far that is, and return where it lies."""
    on = screen.talk
    began = time.monotonic()
    if on.is_terminal and not screen.as_json:
        columns = (
            TextColumn("fetching"),
            BarColumn(bar_width=bar_width(on.width), complete_style="cyan", finished_style="green"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=on, transient=True) as progress:
            bar = FetchBar(progress)
            saved = await client.download(job_id, path, overwrite=overwrite, on_bytes=bar.update)
    else:
        lines = FetchLines(None if screen.as_json else on)
        saved = await client.download(job_id, path, overwrite=overwrite, on_bytes=lines.update)
    size = saved.stat().st_size
    if screen.as_json:
        screen.document({"jobId": job_id, "path": str(saved), "size": size})
    else:
        seconds = time.monotonic() - began
        on.print(
            Text.assemble(
                ("✓ ", "bold green"),
                f"Saved {saved} ",
                (f"({decimal(size)}, {seconds:.1f} s)", "dim"),
            )
        )
        if not screen.for_a_person:
            screen.data(str(saved))
    return saved


class FetchBar:
    """Moves a bar; one that goes on begins where the earlier download ended."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def update(self, done: int, size: int | None) -> None:
        """Show how many bytes are there."""
        if self._task is None:
            if done:
                self._progress.console.print(Text(going_on(done), style="dim"))
            self._task = self._progress.add_task("", total=size, completed=done)
        else:
            self._progress.update(self._task, completed=done, total=size)


class FetchLines:
    """Writes a line at every tenth of a slow download, and at least every half minute."""

    def __init__(self, on: Console | None) -> None:
        self._on = on
        self._tenth: int | None = None
        self._at = time.monotonic()

    def update(self, done: int, size: int | None) -> None:
        """Tell how many bytes are there, when it is time to."""
        if self._on is None:
            return
        if self._tenth is None and done:
            self._on.print(Text(going_on(done)))
        now = time.monotonic()
        tenth = done * 10 // size if size else 0
        pause = 30 if tenth == self._tenth else 3
        if now - self._at >= pause:
            self._at = now
            of = f" of {decimal(size)}, {tenth * 10}%" if size else ""
            self._on.print(Text(f"fetching: {decimal(done)}{of}"))
            self._tenth = tenth
        elif self._tenth is None:
            self._tenth = tenth


def going_on(done: int) -> str:
    """Return what to say when a part is there already."""
    return f"Going on: {decimal(done)} are there already."
