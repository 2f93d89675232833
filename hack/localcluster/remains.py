"""Remove what a node leaves behind when its processes have ended."""

from __future__ import annotations

import errno
import json
import shutil
import time
from pathlib import Path

from localcluster import paths, say, shell

_CGROUPS = Path("/sys/fs/cgroup")
# containerd puts Kubernetes' containers under this name, regardless of its state directory.
_OUR_CGROUPS = ("k8s.io", "kubepods")
# Directories with fixed paths. Another installation may use them, too.
_FIXED_PLACES = (
    "/run/containerd",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)


def note_absent(state: Path) -> None:
    """Record the directories outside the state that do not exist yet, for `down` to delete."""
    record = state / "absent-before.json"
    if not record.exists():
        absent = [place for place in _FIXED_PLACES if not Path(place).exists()]
        paths.write(record, json.dumps(absent))


def remove_noted(state: Path) -> None:
    """Delete the recorded directories outside the state."""
    record = state / "absent-before.json"
    if record.exists():
        for place in json.loads(record.read_text(encoding="utf-8")):
            unmount(Path(place))
            remove_tree(Path(place))


def mounts_below(directory: Path, mounts: str) -> list[str]:
    """Return the mount points below a directory, innermost first, from the text of /proc/mounts."""
    prefix = f"{directory}/"
    points = [_unescaped(line.split(" ")[1]) for line in mounts.splitlines() if line]
    return [point for point in reversed(points) if point.startswith(prefix)]


def _unescaped(point: str) -> str:
    # /proc/mounts escapes white space in octal.
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point


def unmount(directory: Path) -> int:
    """Unmount everything below a directory; return the number of mounts."""
    points = mounts_below(directory, Path("/proc/mounts").read_text(encoding="utf-8"))
    for point in points:
        # Lazily, because a process that is exiting may still use the mount.
        shell.run(["umount", "--lazy", point])
    return len(points)


def cgroups() -> list[Path]:
    """Return the cgroups of containers, at the top of each hierarchy."""
    hierarchies = [_CGROUPS, *(path for path in _CGROUPS.glob("*") if path.is_dir())]
    places = (hierarchy / name for hierarchy in hierarchies for name in _OUR_CGROUPS)
    return [place for place in places if place.is_dir()]


def remove_cgroups() -> None:
    """Remove the empty cgroups that containers leave."""
    for top in cgroups():
        below = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for each in [*below, top]:
            _remove_cgroup(each)


def _remove_cgroup(directory: Path) -> None:
    # A killed process stays in its cgroup for a moment.
    for _ in range(20):
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                raise
            time.sleep(0.1)
        else:
            return
    say.line(f"the cgroup {directory} is in use and stays")


def remove_tree(directory: Path) -> None:
    """Delete a directory and its content, if it exists."""
    if not directory.exists():
        return
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise say.SetupError(
            f"{error.filename} cannot be deleted: {error.strerror}. Find what uses it with "
            f"`fuser -vm {directory}`, stop that, and try again."
        ) from error
