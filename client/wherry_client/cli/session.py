"""Run one command against the API: its connection, its output and its exit status."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import typer

from wherry_client.cli.exit_status import ExitStatus, failure_of
from wherry_client.cli.output import Output
from wherry_client.client import WherryClient
from wherry_client.errors import JobFailedError, WherryError

FILES_NOT_FOUND: Final = "FilesNotFound"
"""Reason of an attempt that failed because files are missing (the runner's archive engine)."""


@dataclass(frozen=True)
class Connection:
    """Which API to call, and as whom."""

    url: str
    token: str | None
    tenant: str | None


@dataclass
class Session:
    """Client, output and hints of one running command."""

    client: WherryClient
    output: Output
    job_id: str = "JOB"
    """The job at hand, for hints."""
    on_interrupt: list[tuple[str, str]] = field(default_factory=list)
    """Hints to print after Ctrl-C, each as words and a command."""
    files_missing: bool = False
    """Whether the job failed because files are missing."""

    async def check_for_missing_files(self) -> None:
        """Set ``files_missing`` for a failed job; without an answer it stays False."""
        try:
            details = await self.client.details(self.job_id)
        except WherryError:
            return  # Only the hint depends on it.
        self.files_missing = any(
            failure.reason == FILES_NOT_FOUND for failure in details.failures[-1:]
        )


Work = Callable[[Session], Coroutine[Any, Any, ExitStatus]]


def run(prepare: Callable[[], Work], connection: Connection, *, as_json: bool) -> None:
    """Run the work that ``prepare`` returns, and exit with its status.

    ``prepare`` may block on a pipe. It runs before the event loop starts, because Ctrl-C could not
    end a blocking read inside it.
    """
    output = Output(as_json=as_json)
    sessions: list[Session] = []

    async def in_session(work: Work) -> ExitStatus:
        url, token, tenant = connection.url, connection.token, connection.tenant
        async with WherryClient(url, token=token, tenant=tenant) as client:
            session = Session(client, output)
            sessions.append(session)
            try:
                return await work(session)
            except JobFailedError:
                await session.check_for_missing_files()
                raise

    try:
        status = asyncio.run(in_session(prepare()))
    except KeyboardInterrupt:
        for words, command in sessions[0].on_interrupt if sessions else ():
            output.hint(words, command)
        status = ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has closed it, as head does: not a failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.OK
    except (WherryError, OSError) as error:
        failure = failure_of(
            error,
            connection.url,
            sessions[0].job_id if sessions else "JOB",
            files_missing=bool(sessions and sessions[0].files_missing),
        )
        output.failure(failure)
        status = failure.status
    raise typer.Exit(int(status))
