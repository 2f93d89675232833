"""Where things are kept, and locks so that two runs do not collide.

Cache: `${WHERRY_CACHE:-${XDG_CACHE_HOME:-~/.cache}/wherry}`: built programs, wheels, images.
It survives `down`.
State: `${WHERRY_STATE:-/var/lib/wherry}`: keys, data, logs and process records of what runs; for
others than root `${XDG_STATE_HOME:-~/.local/state}/wherry`.
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
    """The directory of everything that is expensive to get and safe to keep."""
    own = os.environ.get("WHERRY_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "wherry"


def state_dir() -> Path:
    """The directory of the one local cluster that `up` starts on this machine."""
    chosen = os.environ.get("WHERRY_STATE")
    if not chosen and os.geteuid() == 0:
        chosen = "/var/lib/wherry"
    if not chosen:
        chosen = (os.environ.get("XDG_STATE_HOME") or "~/.local/state") + "/wherry"
    return Path(chosen).expanduser().resolve()


def state_lock(state: Path) -> Path:
    """The lock of a state directory; outside it, since `down` deletes the directory."""
    name = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    return cache_dir() / "locks" / f"{name}.lock"


def ensure_dir(path: Path, mode: int = 0o755) -> Path:
    """Make a directory; where that is not allowed, say which variable chooses another."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except PermissionError as error:
        raise say.SetupError(
            f"No permission to create {path}. Set WHERRY_STATE or WHERRY_CACHE to a directory "
            "that you can write, or run as root."
        ) from error
    return path


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """Write a file whole or not at all, readable only as far as `mode` allows."""
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
