"""Download an archive with a progress bar, or with lines."""

import asyncio
import time
import zipfile
from pathlib import Path
from shlex import quote

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

from wherry_client.cli.formatting import bar_width
from wherry_client.cli.session import Session
from wherry_client.download import OnBytes


def check_target(path: Path | None, *, force: bool) -> None:
    """Raise FileExistsError or FileNotFoundError when ``path`` cannot take an archive.

    Called before the job is created, so that a wrong path does not cost a job.
    """
    if path is None or path.is_dir():
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}.")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already.")


async def download_archive(session: Session, job_id: str, path: Path, *, force: bool) -> None:
    """Download an archive and show the progress; after Ctrl-C, print how to resume."""
    command = f"wherry download {job_id} -o {quote(str(path))}" + (" --force" if force else "")
    session.on_interrupt = [("What has arrived is kept. Resume: ", command)]
    output = session.output
    started_at = time.monotonic()
    if output.err.is_terminal and not output.as_json:
        with _progress(output.err) as progress:
            saved = await _save(session, job_id, path, ProgressBar(progress).update, force=force)
    else:
        lines = ProgressLines(None if output.as_json else output.err)
        saved = await _save(session, job_id, path, lines.update, force=force)
    size = saved.stat().st_size
    if output.as_json:
        output.document({"jobId": job_id, "path": str(saved), "size": size})
    else:
        seconds = time.monotonic() - started_at
        output.err.print(
            Text.assemble(
                ("✓ ", "bold green"),
                f"Saved {saved} ",
                (f"({decimal(size)}, {seconds:.1f} s)", "dim"),
            )
        )
        if not output.is_interactive:
            output.data(str(saved))
    if await asyncio.to_thread(is_misnamed, saved):
        output.hint(
            f"{saved} is not a ZIP archive: the result of a job with one file is the file itself."
        )


def is_misnamed(path: Path) -> bool:
    """Return whether a file is called ``.zip`` but is not a ZIP archive."""
    return path.suffix.lower() == ".zip" and not zipfile.is_zipfile(path)


async def _save(
    session: Session, job_id: str, path: Path, on_bytes: OnBytes, *, force: bool
) -> Path:
    return await session.client.download(job_id, path, overwrite=force, on_bytes=on_bytes)


def _progress(console: Console) -> Progress:
    bar = BarColumn(
        bar_width=bar_width(console.width), complete_style="cyan", finished_style="green"
    )
    return Progress(
        TextColumn("downloading"),
        bar,
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )


class ProgressBar:
    """Moves a bar; a resumed download starts where the earlier one stopped."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def update(self, done: int, size: int | None) -> None:
        """Show how many bytes are on the disk."""
        if self._task is None:
            if done:
                self._progress.console.print(Text(resume_notice(done), style="dim"))
            self._task = self._progress.add_task("", total=size, completed=done)
        else:
            self._progress.update(self._task, completed=done, total=size)


class ProgressLines:
    """Prints a line for every tenth of a slow download, and at least every 30 seconds."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._tenth: int | None = None
        self._printed_at = time.monotonic()

    def update(self, done: int, size: int | None) -> None:
        """Print how many bytes are on the disk, if a line is due."""
        if self._console is None:
            return
        if self._tenth is None and done:
            self._console.print(Text(resume_notice(done)))
        now = time.monotonic()
        tenth = done * 10 // size if size else 0
        interval = 30 if tenth == self._tenth else 3
        if now - self._printed_at >= interval:
            self._printed_at = now
            of = f" of {decimal(size)}, {tenth * 10}%" if size else ""
            self._console.print(Text(f"downloading: {decimal(done)}{of}"))
            self._tenth = tenth
        elif self._tenth is None:
            self._tenth = tenth


def resume_notice(done: int) -> str:
    """Return the sentence for a download that resumes after ``done`` bytes."""
    return f"Resuming: {decimal(done)} are there already."
