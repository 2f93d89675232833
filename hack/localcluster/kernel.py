"""Kernel settings that the node changes: saved by `up`, restored by `down`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from localcluster import paths

# The node forwards packets between interfaces, and Service rules apply to bridged packets.
WANTED: Mapping[str, str] = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
}
# Settings that kubelet, kube-proxy and the network plugin change.
CHANGED_BY_OTHERS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/conf/default/forwarding",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)

_ROOT = Path("/proc/sys")


def _record(state: Path) -> Path:
    return state / "kernel-settings.json"


def note(state: Path, root: Path = _ROOT) -> None:
    """Save the current values, unless a record of values that were not restored exists."""
    record = _record(state)
    if record.exists():
        return
    names = [*WANTED, *CHANGED_BY_OTHERS]
    present = {
        name: (root / name).read_text(encoding="ascii").strip()
        for name in names
        if (root / name).exists()
    }
    paths.write(record, json.dumps(present, indent=1))


def forget(state: Path) -> None:
    """Delete the saved values, which are obsolete after a reboot."""
    _record(state).unlink(missing_ok=True)


def apply(root: Path = _ROOT) -> None:
    """Set the values that the node needs."""
    for name, value in WANTED.items():
        _set(root / name, value)


def restore(state: Path, root: Path = _ROOT) -> None:
    """Restore the saved values."""
    record = _record(state)
    if not record.exists():
        return
    noted: dict[str, str] = json.loads(record.read_text(encoding="utf-8"))
    # Restore ip_forward first, because it also sets the forwarding of every interface.
    for name, value in noted.items():
        _set(root / name, value)
    record.unlink()


def _set(path: Path, value: str) -> None:
    if path.exists() and path.read_text(encoding="ascii").strip() != value:
        path.write_text(value, encoding="ascii")
