"""Find what is left of a node on this machine; `down` must leave nothing."""

from __future__ import annotations

from pathlib import Path

from localcluster import addresses, containers, firewall, network, processes, remains


def found(state: Path) -> list[str]:
    """Return one message for each thing that is left; empty after `down`."""
    running = [name for name in processes.recorded(state) if processes.find(state, name)]
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    return [
        *(f"the process {name} runs" for name in running),
        *(f"the container supervisor {pid} runs" for pid, _ in containers.shims(state)),
        *(f"{point} is mounted" for point in remains.mounts_below(state, mounts)),
        *(
            f"the network link {link['ifname']} exists"
            for link in network.links()
            if addresses.BRIDGE in (link["ifname"], link.get("master"))
        ),
        *(f"{family} has rules of the cluster" for family in firewall.families_with_rules()),
        *(f"the cgroup {path} exists" for path in remains.cgroups()),
    ]
