"""The commands of ``wherry``."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from wherry_client.cli import job_views
from wherry_client.cli.connection import connected
from wherry_client.cli.endings import ExitStatus
from wherry_client.cli.file_ids import gather
from wherry_client.cli.going_on import (
    check_place,
    fetch_archive,
    follow_job,
    go_on,
    status_after,
)
from wherry_client.cli.options import FetchTo, Force, JobId, OnMissingChoice, Output, Wait
from wherry_client.cli.session import Session, Work
from wherry_client.cli.words import count
from wherry_client.client import user_agent
from wherry_client.models import JobState, JobStatus

app = typer.Typer(
    name="wherry",
    help="Ask for files by id, follow the job that bundles them, fetch the archive.",
    epilog="Exit status: 0 done; 1 the job failed; 2 the command is not right; 3 the server, the "
    "network or the disk; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(user_agent().replace("/", " "))
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Ask for files by id, follow the job that bundles them, fetch the archive."""


@app.command()
@connected
def submit(
    file_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE_ID", help="Ids of the files; '-' reads them from a pipe."),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", "-f", metavar="FILE", help="File of ids, one a line or a JSON array."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="File name of the archive.")] = None,
    on_missing: Annotated[
        OnMissingChoice | None,
        typer.Option("--on-missing", help="Fail, or skip missing files and list them."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Idempotency key: the same key is the same job."),
    ] = None,
    wait: Wait = False,
    download: FetchTo = None,
    force: Force = False,
) -> Work:
    """Ask for files: create the job that bundles them."""
    ids = gather(file_ids or [], files or [])

    async def work(session: Session) -> ExitStatus:
        await asyncio.to_thread(check_place, download, force=force)
        missing: Literal["Fail", "Manifest"] | None = None
        if on_missing is not None:
            missing = "Fail" if on_missing is OnMissingChoice.FAIL else "Manifest"
        job = await session.client.submit(
            ids, archive_name=name, on_missing=missing, idempotency_key=key
        )
        return await go_on(session, job, wait=wait, download=download, force=force)

    return work


@app.command()
@connected
def watch(job_id: JobId) -> Work:
    """Follow a job to its end: a bar on a terminal, else lines."""

    async def work(session: Session) -> ExitStatus:
        last = await follow_job(session, job_id, session.screen.out)
        if last.state is JobState.COMPLETED and session.screen.for_a_person:
            session.screen.hint("Fetch it: ", f"wherry download {job_id}")
        return status_after(last, session)

    return work


@app.command()
@connected
def get(job_id: JobId) -> Work:
    """Show how a job stands."""

    async def work(session: Session) -> ExitStatus:
        status = await session.client.status(job_id)
        if session.screen.as_json:
            session.screen.document(status.to_wire())
        else:
            session.screen.out.print(job_views.facts_table(status))
        return ExitStatus.OK

    return work


@app.command("list")
@connected
def list_jobs(
    state: Annotated[
        JobState | None, typer.Option("--state", help="Only jobs in this state.")
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Only jobs whose attempts are used up.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Jobs to look at, in the order of their ids.")
    ] = 1000,
    ids_only: Annotated[bool, typer.Option("--ids", "-q", help="Only the ids.")] = False,
) -> Work:
    """List your jobs, the newest first."""

    async def work(session: Session) -> ExitStatus:
        screen, more = session.screen, False
        jobs: list[JobStatus] = []
        async for status in session.client.list(
            state=state, dead_letters=True if dead_letters else None
        ):
            more = len(jobs) == limit
            if more:
                break
            jobs.append(status)
        jobs.sort(key=lambda job: job.created_at, reverse=True)
        if screen.for_a_person and not ids_only:
            if jobs:
                # A table is laid out for the terminal's width: soft wrapping would undo that.
                table = job_views.jobs_table(jobs, datetime.now(UTC), screen.out.width)
                screen.out.print(table, soft_wrap=False)
            else:
                screen.say("There are no such jobs." if state or dead_letters else "No jobs yet.")
        for job in jobs if not screen.for_a_person or ids_only else ():
            if screen.as_json:
                screen.document(job.to_wire())
            else:
                screen.data(job.job_id if ids_only else job_views.job_line(job))
        if more:
            looked = count(limit, "job")
            screen.hint(f"There are more; the first {looked} by id were looked at (--limit).")
        return ExitStatus.OK

    return work


@app.command()
@connected
def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of the jobs.")],
) -> Work:
    """Ask for the end of jobs; those that have ended stay as they are."""

    async def work(session: Session) -> ExitStatus:
        for job_id in job_ids:
            session.job_id = job_id
            await session.client.cancel(job_id)
            session.screen.say(f"Job {job_id} is asked to end.")
            if session.screen.as_json:
                session.screen.document({"jobId": job_id})
        return ExitStatus.OK

    return work


@app.command()
@connected
def retry(
    job_id: JobId, wait: Wait = False, download: FetchTo = None, force: Force = False
) -> Work:
    """Ask for the files of a failed or cancelled job again, as a new job."""

    async def work(session: Session) -> ExitStatus:
        session.job_id = job_id
        await asyncio.to_thread(check_place, download, force=force)
        job = await session.client.retry(job_id)
        return await go_on(session, job, wait=wait, download=download, force=force)

    return work


@app.command()
@connected
def download(
    job_id: JobId,
    output: Output = Path(),
    wait: Annotated[bool, typer.Option("--wait", "-w", help="First wait for its end.")] = False,
    force: Force = False,
) -> Work:
    """Fetch the archive of a job; an interrupted download goes on where it stopped."""

    async def work(session: Session) -> ExitStatus:
        session.job_id = job_id
        if wait:
            last = await follow_job(session, job_id, session.screen.talk)
            if last.state is not JobState.COMPLETED:
                return status_after(last, session)
        await fetch_archive(session, job_id, output, force=force)
        return ExitStatus.OK

    return work
