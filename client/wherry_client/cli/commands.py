"""The commands of ``wherry``."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from wherry_client.cli import job_views
from wherry_client.cli.download import check_target, download_archive
from wherry_client.cli.exit_status import ExitStatus
from wherry_client.cli.file_ids import gather
from wherry_client.cli.formatting import count, duration
from wherry_client.cli.options import (
    AsJson,
    DownloadTo,
    Force,
    GlobalOptions,
    GlobalTenant,
    GlobalToken,
    GlobalUrl,
    JobId,
    OnMissingChoice,
    OutputPath,
    Wait,
    flag,
    with_connection,
)
from wherry_client.cli.session import Session, Work
from wherry_client.cli.watch import finish, watch_job
from wherry_client.client import user_agent
from wherry_client.errors import ForbiddenError
from wherry_client.models import Job, JobState, JobStatus

app = typer.Typer(
    name="wherry",
    help="Submit file ids, watch the job that bundles the files, download the archive.",
    epilog="Exit status: 0 success; 1 the job failed; 2 the command is not valid; 3 the server, "
    "the network or the disk failed; 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(wanted: bool) -> None:
    """Print the version and exit."""
    if wanted:
        typer.echo(user_agent().replace("/", " "))
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: GlobalUrl = None,
    token: GlobalToken = None,
    tenant: GlobalTenant = None,
    as_json: AsJson = False,
    _version: Annotated[
        bool, flag("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Submit file ids, watch the job that bundles the files, download the archive."""
    context.obj = GlobalOptions(url, token, tenant, as_json)


@app.command()
@with_connection
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
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="File name of the archive.")
    ] = None,
    on_missing: Annotated[
        OnMissingChoice | None,
        typer.Option(
            "--on-missing",
            help="Fail the job, or skip missing files and list them in the archive's manifest.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="KEY", help="Idempotency key: the same key returns the same job."
        ),
    ] = None,
    wait: Wait = False,
    download: DownloadTo = None,
    force: Force = False,
) -> Work:
    """Create a job that bundles the files."""
    ids = gather(file_ids or [], files or [])

    async def work(session: Session) -> ExitStatus:
        await asyncio.to_thread(check_target, download, force=force)
        missing: Literal["Fail", "Manifest"] | None = None
        if on_missing is not None:
            missing = "Fail" if on_missing is OnMissingChoice.FAIL else "Manifest"
        job = await session.client.submit(
            ids, archive_name=name, on_missing=missing, idempotency_key=key
        )
        return await _continue_with(session, job, wait=wait, download=download, force=force)

    return work


@app.command()
@with_connection
def watch(job_id: JobId) -> Work:
    """Watch a job until it ends: with a bar on a terminal, else with lines."""

    async def work(session: Session) -> ExitStatus:
        last = await watch_job(session, job_id, session.output.out)
        if last.state is JobState.COMPLETED and session.output.is_interactive:
            session.output.hint("Download it: ", f"wherry download {job_id}")
        return await finish(session, last)

    return work


@app.command()
@with_connection
def get(job_id: JobId) -> Work:
    """Show the status of a job."""

    async def work(session: Session) -> ExitStatus:
        status = await session.client.status(job_id)
        if session.output.as_json:
            session.output.document(status.to_wire())
        else:
            session.output.out.print(job_views.status_table(status))
        return ExitStatus.OK

    return work


@app.command("list")
@with_connection
def list_jobs(
    state: Annotated[
        JobState | None, typer.Option("--state", help="Only jobs in this state.")
    ] = None,
    dead_letters: Annotated[
        bool, flag("--dead-letters", help="Only jobs whose attempts are used up.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Jobs to read, in the order of their ids.")
    ] = 1000,
    ids_only: Annotated[bool, flag("--ids", "-q", help="Print only the ids.")] = False,
) -> Work:
    """List your jobs, newest first."""

    async def work(session: Session) -> ExitStatus:
        output, more = session.output, False
        jobs: list[JobStatus] = []
        async for status in session.client.list(
            state=state, dead_letters=True if dead_letters else None
        ):
            more = len(jobs) == limit
            if more:
                break
            jobs.append(status)
        jobs.sort(key=lambda job: job.created_at, reverse=True)
        if output.is_interactive and not ids_only:
            if jobs:
                # The table is laid out for the terminal's width: soft wrapping would break it.
                table = job_views.jobs_table(jobs, datetime.now(UTC), output.out.width)
                output.out.print(table, soft_wrap=False)
            else:
                output.message(
                    "There are no such jobs." if state or dead_letters else "There are no jobs."
                )
        for job in jobs if not output.is_interactive or ids_only else ():
            if output.as_json:
                output.document(job.to_wire())
            else:
                output.data(job.job_id if ids_only else job_views.job_line(job))
        if more:
            output.hint(f"Only the first {count(limit, 'job')} by id are listed; raise --limit.")
        return ExitStatus.OK

    return work


@app.command()
@with_connection
def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="JOB", help="Ids of the jobs.")],
) -> Work:
    """Cancel jobs; jobs that have ended stay unchanged."""

    async def work(session: Session) -> ExitStatus:
        for job_id in job_ids:
            session.job_id = job_id
            sentence = f"Job {job_id} is being cancelled."
            with suppress(ForbiddenError):  # A token may cancel jobs and not read them.
                status = await session.client.status(job_id)
                if status.ended:
                    sentence = f"Job {job_id} has ended already: it is {status.state.value}."
            await session.client.cancel(job_id)
            session.output.message(sentence)
            if session.output.as_json:
                session.output.document({"jobId": job_id})
        return ExitStatus.OK

    return work


@app.command()
@with_connection
def retry(
    job_id: JobId, wait: Wait = False, download: DownloadTo = None, force: Force = False
) -> Work:
    """Create a new job with the files of a failed or cancelled one."""

    async def work(session: Session) -> ExitStatus:
        session.job_id = job_id
        await asyncio.to_thread(check_target, download, force=force)
        job = await session.client.retry(job_id)
        return await _continue_with(session, job, wait=wait, download=download, force=force)

    return work


@app.command()
@with_connection
def download(
    job_id: JobId,
    output: OutputPath = Path(),
    wait: Annotated[bool, flag("--wait", "-w", help="Wait until the job has ended.")] = False,
    force: Force = False,
) -> Work:
    """Download the archive of a job; an interrupted download is resumed."""

    async def work(session: Session) -> ExitStatus:
        session.job_id = job_id
        if wait:
            last = await watch_job(session, job_id, session.output.err)
            if last.state is not JobState.COMPLETED:
                return await finish(session, last)
        await download_archive(session, job_id, output, force=force)
        return ExitStatus.OK

    return work


async def _continue_with(
    session: Session, job: Job, *, wait: bool, download: Path | None, force: bool
) -> ExitStatus:
    """Report a new job; watch it and download its archive as the options say."""
    output, session.job_id = session.output, job.job_id
    watches = wait or download is not None
    if output.as_json:
        output.document(job.to_wire())
    else:
        estimate = f", about {duration(job.estimated_seconds)}" if not job.ended else ""
        output.message(
            f"Job {job.job_id} is {job.state.value}: {count(job.total_files, 'file')}{estimate}."
        )
        if not output.is_interactive:
            output.data(job.job_id)
        elif not watches:
            output.hint("Watch it:    ", f"wherry watch {job.job_id}")
            output.hint("Download it: ", f"wherry download --wait {job.job_id}")
    if not watches:
        return ExitStatus.OK
    last = await watch_job(session, job.job_id, output.err)
    if last.state is JobState.COMPLETED and download is not None:
        await download_archive(session, job.job_id, download, force=force)
    return await finish(session, last)
