"""Run commands and wait for them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster import say

# Debian installs many administration programs in sbin, which is not on every user's PATH.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """Return PATH with the sbin directories added."""
    parts = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(os.pathsep)
    return os.pathsep.join([*parts, *(each for each in _SBIN if each not in parts)])


def find(program: str) -> Path | None:
    """Return the program's path, or None if it is not installed."""
    found = shutil.which(program, path=search_path())
    return Path(found) if found else None


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child process."""
    return {**os.environ, "PATH": search_path(), **(extra or {})}


def attempt(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result, also if it fails."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment(env),
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise say.SetupError(
            f"The program {words[0]} is not installed. Run `make up` again, which installs what "
            "it can, or install it by hand."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise say.SetupError(
            f"`{shlex.join(words)}` did not finish within {timeout:.0f}s."
        ) from error


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command that must succeed; return its standard output."""
    done = attempt(command, stdin=stdin, env=env, cwd=cwd, timeout=timeout)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        raise say.SetupError(
            f"`{shlex.join(str(word) for word in command)}` failed with exit code "
            f"{done.returncode}:\n" + "\n".join(f"  {each}" for each in said)
        )
    return done.stdout


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run a long command with its output in a file; return its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(env),
            cwd=cwd,
            check=False,
        ).returncode
