"""The cluster on a bare Linux machine: everything is a process of the machine itself.

`up` is a sequence of idempotent steps: it changes nothing on a running cluster, and starts what is
missing on a broken one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster import (
    addresses,
    assets,
    containers,
    controlplane,
    dns,
    firewall,
    kernel,
    network,
    node,
    packages,
    paths,
    ports,
    processes,
    redisserver,
    remains,
    say,
    stores,
    traces,
)
from localcluster.controlplane import ControlPlane
from localcluster.redisserver import Redis
from localcluster.steps import step
from localcluster.stores import Store

# The order in which a node is stopped: first the processes that would restart pods.
_STOP_FIRST = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns")


@dataclass(frozen=True)
class Machine:
    """What runs on the bare machine after `up`."""

    plane: ControlPlane
    redis: Redis
    store: Store


def up(state: Path, *, store: stores.Kind = "seaweedfs", audit: bool = True) -> Machine:
    """Start the node, or the parts of it that are not running."""
    require_root()
    with paths.lock(paths.state_lock(state)):
        paths.ensure_dir(state, 0o711)
        with step("Debian packages"):
            packages.ensure(packages.NODE)
        with step("programs of the cluster"):
            assets.ensure(["control-plane", "node"])
            assets.program("helm")
        _mend(state)
        with step(f"bridge {addresses.BRIDGE}"):
            remains.note_absent(state)
            configuration = network.ensure(state)
            _require_web_port(state)
        with step("control plane"):
            plane = _control_plane(state, audit)
        with step("containerd"):
            containers.start(state, configuration)
            node.ensure_pause_image(state)
        with step("node"):
            kubelet = node.start_kubelet(plane)
            dns.start(plane)
            node.start_proxy(plane)
            node.wait_ready(plane, kubelet)
        with step("Redis"):
            redis = _redis(state)
        with step(f"S3 store ({store})"):
            held = stores.start_store(
                store, state, bind=addresses.GATEWAY, port=addresses.STORE_PORT
            )
    return Machine(plane=plane, redis=redis, store=held)


def require_root() -> None:
    """Raise SetupError unless run as root, because a node creates links, mounts and cgroups."""
    if os.geteuid() != 0:
        raise say.SetupError(
            "A node on this machine needs root. Run it as root (sudo make up), or start Docker and "
            "install kind, or use FAST=1, which needs neither."
        )


def _control_plane(state: Path, audit: bool) -> ControlPlane:
    return controlplane.start_control_plane(
        state,
        bind=addresses.GATEWAY,
        port=addresses.API_PORT,
        controller_manager=True,
        scheduler=True,
        audit=audit,
        durable=True,
    )


def _redis(state: Path) -> Redis:
    return redisserver.start_redis(state, bind=addresses.GATEWAY, port=addresses.REDIS_PORT)


def _require_web_port(state: Path) -> None:
    # Once the chart is installed, packets to this port reach its pods and bypass any listener.
    if processes.find(state, "kube-proxy") is None and not ports.is_free(addresses.WEB_PORT):
        raise say.SetupError(
            f"Another program listens on port {addresses.WEB_PORT}, which Wherry's API needs. Stop "
            f"it; `ss -ltnp sport = :{addresses.WEB_PORT}` shows which."
        )


def _mend(state: Path) -> None:
    """Remove the remains of an earlier node after a reboot or the loss of the bridge."""
    record = state / "boot"
    if record.exists() and record.read_text(encoding="ascii") != processes.boot_id():
        say.line("the machine was restarted: clearing the state of the previous run")
        remains.unmount(state)
        remains.remove_tree(state / "containerd" / "state")
        kernel.forget(state)
    elif processes.find(state, containers.NAME) and not network.is_up():
        say.line("the bridge is missing: stopping the containers that used it")
        processes.stop(state, "kubelet")
        containers.stop(state)
        remains.unmount(state / "containerd")
    paths.write(record, processes.boot_id())


def down(state: Path) -> None:
    """Remove processes, containers, mounts, bridge, firewall rules, kernel settings and data."""
    with paths.lock(paths.state_lock(state)):
        had_node = (state / "network").exists()
        with step("stopping the processes"):
            _stop(state, _STOP_FIRST)
            if had_node:
                containers.stop(state)
            for kind in ("seaweedfs", "versitygw"):
                stores.stop_store(state, kind)
            _stop(state, controlplane.NAMES)
            _stop(state, processes.recorded(state))
        if had_node:
            with step("removing mounts, bridge and firewall rules"):
                remains.unmount(state)
                network.remove()
                firewall.purge()
                kernel.restore(state)
                remains.remove_cgroups()
                remains.remove_noted(state)
                left = traces.found(state)
                if left:
                    raise say.SetupError(
                        "Not everything could be removed. Run `make down` again, and if that does "
                        f"not help, remove by hand: {'; '.join(left)}."
                    )
        with step(f"deleting {state}"):
            remains.remove_tree(state)


def _stop(state: Path, names: Sequence[str]) -> None:
    for name in names:
        processes.stop(state, name, patience=3.0)


def status(state: Path) -> list[tuple[str, str]]:
    """Return every process that should run, with its pid or the word `ended`."""
    found = ((name, processes.find(state, name)) for name in processes.recorded(state))
    return [(name, f"pid {process.pid}" if process else "ended") for name, process in found]
