"""What a machine shows of processes, mounts and networks, to compare before and after."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from localcluster import paths

IN_THE_IMAGE = "/opt/wherry/"
"""Where the image holds Wherry: a process with this on its command line runs in a pod."""
IN_EVERY_POD = frozenset({"pause", "containerd-shim-runc-v2"})


@dataclass(frozen=True)
class Machine:
    """One look at the machine."""

    processes: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    namespaces: frozenset[str]
    rules: frozenset[str]


def machine_now() -> Machine:
    """Return what is on the machine now."""
    return Machine(
        processes=frozenset(
            f"{process.info['name']} {process.pid}"
            for process in psutil.process_iter(["name", "cmdline"])
            if of_the_trial(process.info["name"], " ".join(process.info["cmdline"] or []))
        ),
        mounts=frozenset(
            line.split()[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()
        ),
        links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        namespaces=frozenset(_lines("ip", "netns", "list")),
        rules=frozenset(line for line in _lines("iptables-save") if line.startswith("-A")),
    )


def of_the_trial(name: str, command: str) -> bool:
    """Return whether a process belongs to the node of `make up` or to a pod on it.

    Other clusters may come and go on the machine meanwhile: they have other state directories.
    """
    return str(paths.state_dir()) in command or IN_THE_IMAGE in command or name in IN_EVERY_POD


def _lines(program: str, *words: str) -> list[str]:
    if shutil.which(program) is None:
        return []
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()
