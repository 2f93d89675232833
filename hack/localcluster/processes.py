"""Long-running processes: started detached, found by later runs, identified by more than a pid.

A record in `<state>/processes/<name>.json` has the pid, the start time of the process and the
machine's boot id, because the kernel may reuse a pid.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster import paths, say, shell

# This process must wait for its children, or they stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A process of ours; start time and boot id distinguish it from another with the same pid."""

    name: str
    pid: int
    began: int
    boot: str
    fingerprint: str
    log: str


def boot_id() -> str:
    """Return the boot id, which changes at every boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def began_at(pid: int) -> int | None:
    """Return the start time of a process in clock ticks after boot; None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name is in parentheses and may itself contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    # The main thread can be dead while other threads still use the process's ports.
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if ended else int(fields[19])


def alive(process: Process) -> bool:
    """Return whether the process still runs."""
    child = _children.get(process.pid)
    if child is not None:
        child.poll()
    return process.boot == boot_id() and began_at(process.pid) == process.began


def _record(state: Path, name: str) -> Path:
    return state / "processes" / f"{name}.json"


def log_file(state: Path, name: str) -> Path:
    """Return the log file of a process."""
    return state / "logs" / f"{name}.log"


def find(state: Path, name: str) -> Process | None:
    """Return the running process of this name, or None."""
    record = _record(state, name)
    try:
        process = Process(**json.loads(record.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise say.SetupError(
            f"{record} is not a valid process record. Find its process, stop it, and delete the "
            "file."
        ) from error
    return process if alive(process) else None


def recorded(state: Path) -> list[str]:
    """Return the names of all processes that were started in this state and not stopped."""
    return sorted(path.stem for path in (state / "processes").glob("*.json"))


def fingerprint(command: Sequence[str | Path], configuration: Sequence[str] = ()) -> str:
    """Return a digest of command and configuration; a running process with another is restarted."""
    words = [*(str(word) for word in command), "", *configuration]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def start(
    state: Path,
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    configuration: Sequence[str] = (),
) -> Process:
    """Start a process that outlives this one; keep the log of the previous run."""
    log = log_file(state, name)
    paths.ensure_dir(log.parent)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=shell.environment(env),
            cwd=cwd or state,
            start_new_session=True,
        )
    _children[child.pid] = child
    process = Process(
        name=name,
        pid=child.pid,
        began=began_at(child.pid) or 0,
        boot=boot_id(),
        fingerprint=fingerprint(command, configuration),
        log=str(log),
    )
    paths.write(_record(state, name), json.dumps(asdict(process), indent=1))
    return process


def ensure(
    state: Path,
    name: str,
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    configuration: Sequence[str] = (),
) -> tuple[Process, bool]:
    """Return the process of this name; (re)start it if it is dead or its command has changed.

    The second value is True if it was started now.
    """
    running = find(state, name)
    if running and running.fingerprint == fingerprint(command, configuration):
        return running, False
    stop(state, name)
    return start(state, name, command, env=env, cwd=cwd, configuration=configuration), True


def stop(state: Path, name: str, *, patience: float = 15.0, kill: bool = False) -> bool:
    """Stop a process with SIGTERM, then SIGKILL. Return whether there was one."""
    process = find(state, name)
    if process:
        send(process, signal.SIGKILL if kill else signal.SIGTERM)
        if not _gone(process, patience):
            send(process, signal.SIGKILL)
            if not _gone(process, 10.0):
                raise say.SetupError(
                    f"{name} (pid {process.pid}) does not exit, even after SIGKILL. "
                    "It hangs in the kernel; `cat /proc/PID/wchan` shows where.",
                    log=Path(process.log),
                )
    _record(state, name).unlink(missing_ok=True)
    return process is not None


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal if the process still runs."""
    if alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _gone(process: Process, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    _children.pop(process.pid, None)
    return True


def wait_until(
    what: str,
    ready: Callable[[], bool],
    *,
    process: Process | None = None,
    patience: float = 60.0,
    every: float = 0.1,
) -> None:
    """Wait for a condition. Raises SetupError on timeout, and at once if the process has died."""
    deadline = time.monotonic() + patience
    while not ready():
        if process and not alive(process):
            raise say.SetupError(
                f"{process.name} exited before {what}. Its log ends with:\n"
                f"{tail(Path(process.log))}",
                log=Path(process.log),
            )
        if time.monotonic() > deadline:
            log = Path(process.log) if process else None
            said = f" Its log ends with:\n{tail(log)}" if log else ""
            raise say.SetupError(
                f"Timed out after {patience:.0f}s, waiting until {what}.{said}", log=log
            )
        time.sleep(every)


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented."""
    if not log.exists():
        return "  (no log)"
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {each[:300]}" for each in text) or "  (nothing)"
