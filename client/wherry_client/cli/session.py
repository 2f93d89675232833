"""A command while it runs, and how it ends."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import typer

from wherry_client.cli.endings import ExitStatus, ending_of
from wherry_client.cli.screen import Screen
from wherry_client.client import WherryClient
from wherry_client.errors import WherryError


@dataclass
class Session:
    """What a running command needs."""

    client: WherryClient
    screen: Screen
    job_id: str = "JOB"
    on_interrupt: list[tuple[str, str]] = field(default_factory=list)
    """What to tell at Ctrl-C: words and a command."""


Work = Callable[[Session], Coroutine[Any, Any, ExitStatus]]


def run(
    prepare: Callable[[], Work], url: str, token: str | None, tenant: str | None, *, as_json: bool
) -> None:
    """Run the work that ``prepare`` returns and end the program with its exit status.

    ``prepare`` may block, as reading a pipe does: it runs before the event loop, for there Ctrl-C
    could not end it.
    """
    screen = Screen(as_json=as_json)
    sessions: list[Session] = []

    async def in_session(work: Work) -> ExitStatus:
        async with WherryClient(url, token=token, tenant=tenant) as client:
            session = Session(client, screen)
            sessions.append(session)
            return await work(session)

    try:
        status = asyncio.run(in_session(prepare()))
    except KeyboardInterrupt:
        for words, command in sessions[0].on_interrupt if sessions else ():
            screen.hint(words, command)
        status = ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads the output has had enough, as head does: that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitStatus.OK
    except (WherryError, OSError) as error:
        ending = ending_of(error, url, sessions[0].job_id if sessions else "JOB")
        screen.end(ending)
        status = ending.status
    raise typer.Exit(int(status))
