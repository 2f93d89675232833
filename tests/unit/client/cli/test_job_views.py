"""Jobs as tables and lines."""

import io
from datetime import timedelta

from rich.console import Console

from tests.unit.client.statuses import NOW, status
from wherry_client.cli.formatting import headline
from wherry_client.cli.job_views import job_line, jobs_table, status_table
from wherry_client.cli.watch import conclusion
from wherry_client.models import JobState


def printed(thing: object, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(thing)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_the_server_cannot_control_the_terminal() -> None:
    failed = status(JobState.FAILED, error="\x1b[2Jgone\nError: \u202eall")
    for text in (headline(failed), job_line(failed).split("\t")[-1], str(conclusion(failed))):
        assert not {"\x1b", "\n", "\u202e"} & set(text)
    assert "[bold]" in printed(status_table(status(JobState.FAILED, error="[bold]x[/bold]")))


def test_a_narrow_table_keeps_ids_whole() -> None:
    job_id = "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11"
    jobs = [
        status(job_id=job_id, progress=42, completed_files=1),
        status(JobState.FAILED, job_id=job_id, error="A long reason. " * 20),
    ]
    text = printed(jobs_table(jobs, NOW + timedelta(seconds=9), 90), width=90)
    assert text.count(job_id) == 2
    assert "processing 42%" in text
    assert max(map(len, text.splitlines())) <= 90
    assert "…" in text
