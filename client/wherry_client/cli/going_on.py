"""What comes after a job was created: following it, fetching its archive."""

from pathlib import Path
from shlex import quote
from typing import Final

from rich.console import Console

from wherry_client.cli.endings import ExitStatus
from wherry_client.cli.fetching import fetch
from wherry_client.cli.following import follow
from wherry_client.cli.session import Session
from wherry_client.cli.words import count, duration
from wherry_client.models import Job, JobState, JobStatus

FOLLOWING: Final = (("The job goes on. Follow it again: ", "watch"), ("End it: ", "cancel"))


def check_place(path: Path | None, *, force: bool) -> None:
    """Raise FileExistsError or FileNotFoundError where an archive cannot be saved, before all."""
    if path is None or path.is_dir():
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}.")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists already.")


async def go_on(
    session: Session, job: Job, *, wait: bool, download: Path | None, force: bool
) -> ExitStatus:
    """Tell of a new job, and follow and fetch it as was asked."""
    screen, session.job_id = session.screen, job.job_id
    follows = wait or download is not None
    if screen.as_json:
        screen.document(job.to_wire())
    else:
        seconds = f", about {duration(job.estimated_seconds)}" if not job.ended else ""
        screen.say(
            f"Job {job.job_id} is {job.state.value}: {count(job.total_files, 'file')}{seconds}."
        )
        if not screen.for_a_person:
            screen.data(job.job_id)
        elif not follows:
            screen.hint("Follow it: ", f"wherry watch {job.job_id}")
            screen.hint("Fetch it:  ", f"wherry download --wait {job.job_id}")
    if not follows:
        return ExitStatus.OK
    last = await follow_job(session, job.job_id, screen.talk)
    if last.state is JobState.COMPLETED and download is not None:
        await fetch_archive(session, job.job_id, download, force=force)
    return status_after(last, session)


async def follow_job(session: Session, job_id: str, on: Console) -> JobStatus:
    """Show a job until it has ended, and say at Ctrl-C that it goes on."""
    session.job_id = job_id
    session.on_interrupt = [(words, f"wherry {command} {job_id}") for words, command in FOLLOWING]
    return await follow(session.client, job_id, session.screen, on)


async def fetch_archive(session: Session, job_id: str, path: Path, *, force: bool) -> None:
    """Fetch an archive, and say at Ctrl-C how to go on."""
    command = f"wherry download {job_id} -o {quote(str(path))}" + (" --force" if force else "")
    session.on_interrupt = [("What has arrived is kept. Go on: ", command)]
    await fetch(session.client, job_id, path, session.screen, overwrite=force)


def status_after(last: JobStatus, session: Session) -> ExitStatus:
    """Return the exit status for a job that has ended; for one that failed, say what to do."""
    if last.state is JobState.COMPLETED:
        return ExitStatus.OK
    if not session.screen.as_json:
        session.screen.hint("Try the same files again: ", f"wherry retry {last.job_id}")
    return ExitStatus.JOB_FAILED
