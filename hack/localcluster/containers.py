"""containerd and the processes that it starts."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from localcluster import assets, paths, processes, say, shell
from localcluster.processes import Process

NAME = "containerd"
PAUSE_IMAGE = "localhost/wherry-pause:1"
_NAMESPACE = "k8s.io"


def socket(state: Path) -> Path:
    """Return the path of containerd's socket."""
    return state / "containerd" / "containerd.sock"


def configuration(state: Path, network: Path, runc: Path) -> str:
    """Return containerd's configuration file. JSON strings are valid TOML strings."""
    home = state / "containerd"

    def quoted(path: Path | str) -> str:
        return json.dumps(str(path))

    return f"""\
version = 3
root = {quoted(home / "root")}
state = {quoted(home / "state")}
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt",
  "io.containerd.image-verifier.v1.bindir"]
[grpc]
  address = {quoted(socket(state))}
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  cdi_spec_dirs = []
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = {quoted(network)}
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = {quoted(runc)}
      SystemdCgroup = false
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = {quoted(PAUSE_IMAGE)}
"""


def start(state: Path, network: Path) -> Process:
    """Start containerd unless it is running."""
    runc = shell.find("runc")
    if runc is None:
        raise say.SetupError("runc is not installed. Run as root: apt-get install runc.")
    home = paths.ensure_dir(state / "containerd", 0o711)
    text = configuration(state, network, runc)
    config = paths.write(home / "config.toml", text)
    containerd = assets.program("containerd")
    process, _ = processes.ensure(
        state,
        NAME,
        [containerd, "--config", config],
        # containerd looks up its shim on PATH.
        env={"PATH": f"{containerd.parent}{os.pathsep}{shell.search_path()}"},
        configuration=[text],
    )
    what = "containerd answers"
    processes.wait_until(what, lambda: ctr(state, "version", check=False) is not None)
    return process


def ctr(state: Path, *words: str, check: bool = True, timeout: float = 120) -> str | None:
    """Run containerd's client; return its output, or None if it failed and `check` is false."""
    command = [
        str(assets.program("ctr")),
        "--address",
        str(socket(state)),
        "--namespace",
        _NAMESPACE,
    ]
    if check:
        return shell.run([*command, *words], timeout=timeout)
    done = shell.attempt([*command, *words], timeout=timeout)
    return done.stdout if done.returncode == 0 else None


def has_image(state: Path, reference: str) -> bool:
    """Return whether containerd has this image."""
    return reference in (ctr(state, "images", "list", "--quiet") or "").split()


def import_image(state: Path, archive: Path) -> None:
    """Import an image from an archive file into containerd."""
    ctr(state, "images", "import", "--local", str(archive), timeout=600)


def shims(state: Path) -> list[tuple[int, int]]:
    """Return pid and start time of the container supervisors that belong to this state."""
    address = str(socket(state))
    found = []
    for each in Path("/proc").iterdir():
        if not each.name.isdigit():
            continue
        words = _command_line(int(each.name))
        began = processes.began_at(int(each.name))
        if began and words and words[0].endswith("containerd-shim-runc-v2") and address in words:
            found.append((int(each.name), began))
    return found


def _command_line(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.split("\0")


def _descendants(pid: int) -> list[tuple[int, int]]:
    below: list[tuple[int, int]] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in _words(task):
            began = processes.began_at(int(word))
            if began:
                below += [(int(word), began), *_descendants(int(word))]
    return below


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def stop(state: Path) -> None:
    """Stop every container, then containerd, then what is left of both."""
    if processes.find(state, NAME):
        tasks = (ctr(state, "tasks", "list", "--quiet", check=False) or "").split()
        if tasks:
            ctr(state, "tasks", "delete", "--force", *tasks, check=False)
    left = [each for pid, began in shims(state) for each in [*_descendants(pid), (pid, began)]]
    _end(left, signal.SIGKILL)
    _wait(lambda: not any(processes.began_at(pid) == began for pid, began in left), 10)
    processes.stop(state, NAME)


def _end(targets: list[tuple[int, int]], number: signal.Signals) -> None:
    for pid, began in targets:
        if processes.began_at(pid) == began:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _wait(over: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not over() and time.monotonic() < deadline:
        time.sleep(0.05)
