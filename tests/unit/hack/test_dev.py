"""`make dev`: what a change starts anew, and programs that end when they are told to."""

import os
import sys
from pathlib import Path

import pytest

import dev
from localcluster import paths
from tests.harness.waiting import eventually
from trial.fast import Component


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_change_concerns_those_that_use_the_file(tmp_path: Path) -> None:
    write(tmp_path / "api" / "app.py", "1")
    write(tmp_path / "core" / "deep" / "logs.py", "1")
    write(tmp_path / "api" / "notes.txt", "1")
    watch = dev.Watch(tmp_path, {"api": ("api", "core"), "operator": ("core",), "new": ("none",)})
    assert watch.look() == {}
    write(tmp_path / "api" / "notes.txt", "longer")
    assert watch.look() == {}
    write(tmp_path / "api" / "app.py", "longer")
    assert watch.look() == {"api": [tmp_path / "api" / "app.py"]}
    write(tmp_path / "core" / "deep" / "logs.py", "longer")
    shared = [tmp_path / "core" / "deep" / "logs.py"]
    assert watch.look() == {"api": shared, "operator": shared}
    (tmp_path / "api" / "app.py").unlink()
    write(tmp_path / "none" / "there.py", "")
    assert watch.look() == {
        "api": [tmp_path / "api" / "app.py"],
        "new": [tmp_path / "none" / "there.py"],
    }
    assert watch.look() == {}


def test_the_watched_folders_exist() -> None:
    for folders in dev.SOURCES.values():
        for folder in folders:
            assert (paths.REPOSITORY / folder).is_dir()


async def test_a_program_tells_its_lines_and_ends_with_its_children(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('child', other.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    child = dev.Child(Component("some", [sys.executable, "-c", code], {}), tmp_path)
    child.start()
    said = ""

    def more() -> str:
        nonlocal said
        said += capfd.readouterr().out
        return said

    text = await eventually("its line", more, lambda seen: seen.endswith("\n"))
    name, _, line = text.partition("|")
    assert name.strip() == "some"
    other = int(line.split()[1])
    child.stop()
    await eventually("its child to be gone", lambda: not living(other))
    child.stop()


def living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_program_that_ends_by_itself_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    child = dev.Child(
        Component("some", [sys.executable, "-c", "raise SystemExit(3)"], {}), tmp_path
    )
    child.tell_if_ended()
    child.start()
    running = child.running
    assert running is not None
    await eventually("its end", lambda: running.poll() is not None)
    child.tell_if_ended()
    child.tell_if_ended()
    output = capfd.readouterr()
    assert (output.out + output.err).count("some ended with 3") == 1
    child.stop()
    assert child.running is None
    assert os.getpgrp() != running.pid
