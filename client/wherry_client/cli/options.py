"""Arguments and options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OnMissingChoice(StrEnum):
    """What to do about files that are not there."""

    FAIL = "fail"
    MANIFEST = "manifest"


JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="PATH", help="File, or folder for the server's file name."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow the job to its end.")]
FetchTo = Annotated[
    Path | None,
    typer.Option("--download", "-o", metavar="PATH", help="Fetch the archive; waits for it."),
]
