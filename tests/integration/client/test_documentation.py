"""Run the commands of docs/api.md as a reader copies them."""

import asyncio
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Final

from tests.harness.cluster import REPOSITORY
from tests.integration.client.conftest import Wherry
from wherry_api.auth import api_keys

PAGE: Final = REPOSITORY / "docs" / "api.md"


def block(after: str) -> str:
    """Return the first block of shell commands after a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n{after}\n")[2]
    found = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def run(commands: str, folder: Path, **variables: str) -> str:
    """Run ``commands`` in a shell that stops at the first failure; return their output."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_quick_start_with_curl(wherry: Wherry, folder: Path) -> None:
    await wherry.bucket.put_files({str(each): b"content" * each for each in (70000, 70001, 70002)})
    commands = block("## Quick start with curl")
    printed = await asyncio.to_thread(run, commands, folder, WHERRY_URL=wherry.url)
    assert re.search(r"^event: connected$", printed, re.MULTILINE)
    assert printed.count("event: completed") == 2
    assert '"status": "completed"' in printed
    assert "true" in printed.splitlines()
    with zipfile.ZipFile(folder / "order 4711.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4


def test_a_key_made_in_a_shell_lets_its_owner_in(folder: Path) -> None:
    commands = block("### API keys")
    first, second = (run(commands, folder).strip() for _ in range(2))
    entries = api_keys.parse((folder / "keys.txt").read_text())
    for key in (first, second):
        found = api_keys.check(entries, key)
        assert found is not None
        assert found[1].tenant == "team-a"
    other = first[:-1] + ("A" if first[-1] != "A" else "B")
    assert api_keys.check(entries, other) is None
