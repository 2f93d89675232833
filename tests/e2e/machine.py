"""What a machine shows of processes, mounts and networks, to compare before and after."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

# Programs of a node or of Wherry; other processes of the machine come and go as they like.
OURS = frozenset(
    {
        "containerd",
        "containerd-shim-runc-v2",
        "coredns",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubelet",
        "pause",
        "redis-server",
        "wherry-api",
        "wherry-operator",
        "wherry-jobrunner",
        "weed",
    }
)


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
            for process in psutil.process_iter(["name"])
            if process.info["name"] in OURS
        ),
        mounts=frozenset(
            line.split()[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()
        ),
        links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        namespaces=frozenset(_lines("ip", "netns", "list")),
        rules=frozenset(line for line in _lines("iptables-save") if line.startswith("-A")),
    )


def _lines(program: str, *words: str) -> list[str]:
    if shutil.which(program) is None:
        return []
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()
