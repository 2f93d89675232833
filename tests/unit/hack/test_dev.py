"""``make dev``: restarts after changes, supervised programs, and conflicts with others."""

import os
import socket
import sys
from pathlib import Path

import pytest

import dev
from localcluster import addresses, paths, say
from tests.harness.waiting import eventually
from trial.fast import Component


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_change_restarts_the_programs_that_use_the_file(tmp_path: Path) -> None:
    write(tmp_path / "api" / "app.py", "1")
    write(tmp_path / "core" / "deep" / "logs.py", "1")
    write(tmp_path / "api" / "notes.txt", "1")
    watch = dev.SourceWatch(
        tmp_path, {"api": ("api", "core"), "operator": ("core",), "new": ("none",)}
    )
    assert watch.poll() == {}
    write(tmp_path / "api" / "notes.txt", "longer")
    assert watch.poll() == {}
    write(tmp_path / "api" / "app.py", "longer")
    assert watch.poll() == {"api": [tmp_path / "api" / "app.py"]}
    write(tmp_path / "core" / "deep" / "logs.py", "longer")
    shared = [tmp_path / "core" / "deep" / "logs.py"]
    assert watch.poll() == {"api": shared, "operator": shared}
    (tmp_path / "api" / "app.py").unlink()
    write(tmp_path / "none" / "there.py", "")
    assert watch.poll() == {
        "api": [tmp_path / "api" / "app.py"],
        "new": [tmp_path / "none" / "there.py"],
    }
    assert watch.poll() == {}


def test_the_watched_folders_exist() -> None:
    for folders in dev.SOURCES.values():
        for folder in folders:
            assert (paths.REPOSITORY / folder).is_dir()


async def test_output_is_prefixed_and_stop_ends_child_processes(
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
    printed = ""

    def more() -> str:
        nonlocal printed
        printed += capfd.readouterr().out
        return printed

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


async def test_an_exit_is_reported_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = dev.Child(
        Component("some", [sys.executable, "-c", "raise SystemExit(3)"], {}), tmp_path
    )
    child.report_exit()
    child.start()
    running = child.running
    assert running is not None
    await eventually("its end", lambda: running.poll() is not None)
    child.report_exit()
    child.report_exit()
    output = capfd.readouterr()
    assert (output.out + output.err).count("some exited with status 3") == 1
    child.stop()
    assert child.running is None
    assert os.getpgrp() != running.pid


def test_a_second_instance_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "dev.lock"
    with (
        dev.only_instance(lock),
        pytest.raises(say.SetupError, match="Another `make dev`"),
        dev.only_instance(lock),
    ):
        pytest.fail("both instances run")
    with dev.only_instance(lock):
        pass


def test_a_running_trial_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHERRY_STATE", raising=False)
    monkeypatch.setattr(paths, "state_dir", lambda: tmp_path)
    (tmp_path / "cluster-kind").write_text("bare")
    with pytest.raises(say.SetupError, match="Run `make down` first"):
        dev.require_no_trial()


def test_a_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERRY_STATE", "/elsewhere")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(addresses, "WEB_PORT", server.getsockname()[1])
        with pytest.raises(say.SetupError, match="Another program answers"):
            dev.require_no_trial()
    dev.require_no_trial()
