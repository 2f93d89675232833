"""Long-running processes: started detached, found again, ended by their own identity.

A record in `<state>/processes/<name>.json` holds the pid together with the moment the process
began and the machine's boot id. A pid alone can belong to a stranger by the time we look.
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

# Children of this very process must be waited for, or they stay as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Process:
    """A process of ours, identified so that a recycled pid is never taken for it."""

    name: str
    pid: int
    began: int
    boot: str
    fingerprint: str
    log: str


def boot_id() -> str:
    """Changes with every start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def began_at(pid: int) -> int | None:
    """Clock ticks after boot at which a living process began; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name stands in parentheses and may itself contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    # The first thread can be dead while others still hold the process's ports.
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if ended else int(fields[19])


def alive(process: Process) -> bool:
    """Whether this very process still runs."""
    child = _children.get(process.pid)
    if child is not None:
        child.poll()
    return process.boot == boot_id() and began_at(process.pid) == process.began


def _record(state: Path, name: str) -> Path:
    return state / "processes" / f"{name}.json"


def log_file(state: Path, name: str) -> Path:
    """Where a process writes what it has to say."""
    return state / "logs" / f"{name}.log"


def find(state: Path, name: str) -> Process | None:
    """The living process of this name, or None."""
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
    """Names of all processes ever started in this state and not yet stopped."""
    return sorted(path.stem for path in (state / "processes").glob("*.json"))


def fingerprint(command: Sequence[str | Path], configuration: Sequence[str] = ()) -> str:
    """Tells whether a running process was started with the same command and configuration."""
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
    """Start a process that outlives this one; keep the log of the run before."""
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
    """The running process of this name, (re)started if it is dead or was started differently.

    The second value tells whether it was started now.
    """
    running = find(state, name)
    if running and running.fingerprint == fingerprint(command, configuration):
        return running, False
    stop(state, name)
    return start(state, name, command, env=env, cwd=cwd, configuration=configuration), True


def stop(state: Path, name: str, *, patience: float = 15.0, kill: bool = False) -> bool:
    """End a process of ours: ask, then insist. Returns whether there was one."""
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
    """Send a signal, if the process is still the one we mean."""
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
    """Wait for a condition; fail at once if the process behind it has died."""
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
    """The end of a log, indented."""
    if not log.exists():
        return "  (no log)"
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {each[:300]}" for each in text) or "  (nothing)"
