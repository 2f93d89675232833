import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from localcluster import processes, say

IGNORE = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [sys.executable, "-c", IGNORE]


def test_a_process_is_found_and_stopped(tmp_path: Path) -> None:
    started = processes.start(tmp_path, "sleeper", SLEEP)
    assert processes.find(tmp_path, "sleeper") == started
    assert processes.recorded(tmp_path) == ["sleeper"]
    assert processes.stop(tmp_path, "sleeper")
    assert not processes.alive(started)
    assert processes.recorded(tmp_path) == []
    assert not processes.stop(tmp_path, "sleeper")


def test_ensure_restarts_only_a_changed_process(tmp_path: Path) -> None:
    first, fresh = processes.ensure(tmp_path, "sleeper", SLEEP, configuration=["a"])
    assert fresh
    assert processes.ensure(tmp_path, "sleeper", SLEEP, configuration=["a"]) == (first, False)
    second, fresh = processes.ensure(tmp_path, "sleeper", SLEEP, configuration=["b"])
    assert fresh
    assert second.pid != first.pid
    assert not processes.alive(first)
    processes.stop(tmp_path, "sleeper")


@pytest.mark.parametrize("change", [{"began": 1}, {"boot": "another"}])
def test_a_reused_pid_is_not_stopped(tmp_path: Path, change: dict[str, int | str]) -> None:
    stranger = processes.start(tmp_path, "stranger", SLEEP)
    record = tmp_path / "processes" / "ours.json"
    record.write_text(json.dumps(asdict(replace(stranger, **change))))  # type: ignore[arg-type]
    assert processes.find(tmp_path, "ours") is None
    assert not processes.stop(tmp_path, "ours")
    assert processes.alive(stranger)
    processes.stop(tmp_path, "stranger")


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    started = processes.start(tmp_path, "stubborn", STUBBORN)
    log = Path(started.log)
    processes.wait_until("it ignores", lambda: "ready" in log.read_text(), process=started)
    began = time.monotonic()
    assert processes.stop(tmp_path, "stubborn", patience=0.2)
    assert time.monotonic() - began < 5
    assert not processes.alive(started)


def test_waiting_fails_at_once_when_the_process_exits(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "raise SystemExit('no such port')"]
    started = processes.start(tmp_path, "failing", failing)
    with pytest.raises(say.SetupError, match="no such port") as caught:
        processes.wait_until("it answers", lambda: False, process=started, patience=30)
    assert caught.value.log == Path(started.log)


def test_the_log_of_the_previous_run_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        command = [sys.executable, "-c", f"print({text!r})"]
        started = processes.start(tmp_path, "talker", command)
        processes.wait_until("it ended", lambda each=started: not processes.alive(each))  # type: ignore[misc]
    assert (tmp_path / "logs" / "talker.previous.log").read_text() == "first\n"
    assert (tmp_path / "logs" / "talker.log").read_text() == "second\n"
