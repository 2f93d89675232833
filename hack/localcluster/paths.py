"""Directories of the cache and the state, and locks for concurrent runs.

Cache: `${WHERRY_CACHE:-${XDG_CACHE_HOME:-~/.cache}/wherry}`: built programs, wheels, images.
It survives `down`.
State: `${WHERRY_STATE:-/var/lib/wherry}`: keys, data, logs and process records. Without root:
`${XDG_STATE_HOME:-~/.local/state}/wherry`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster import say

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


def cache_dir() -> Path:
    """Return the cache directory: programs, wheels and images, which are expensive to build."""
    own = os.environ.get("WHERRY_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "wherry"


def state_dir() -> Path:
    """Return the state directory of the cluster that `up` starts on this machine."""
    chosen = os.environ.get("WHERRY_STATE")
    if not chosen and os.geteuid() == 0:
        chosen = "/var/lib/wherry"
    if not chosen:
        chosen = (os.environ.get("XDG_STATE_HOME") or "~/.local/state") + "/wherry"
    return Path(chosen).expanduser().resolve()


def state_lock(state: Path) -> Path:
    """Return a state directory's lock file; outside it, because `down` deletes the directory."""
    name = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return cache_dir() / "locks" / f"{name}.lock"


def ensure_dir(path: Path, mode: int = 0o755) -> Path:
    """Create a directory. Raises SetupError if that is not permitted."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except PermissionError as error:
        raise say.SetupError(
            f"No permission to create {path}. Set WHERRY_STATE or WHERRY_CACHE to a directory "
            "that you can write, or run as root."
        ) from error
    return path


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """Write a file atomically, with the permissions of `mode`."""
    ensure_dir(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
    return path


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a file lock; the kernel releases it even if this process is killed."""
    ensure_dir(path.parent)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say.line(f"another run holds {path}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
