"""The node: kubelet, which runs the pods, and kube-proxy, which makes Services work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localcluster import (
    addresses,
    assets,
    containers,
    imagearchive,
    kubeconfig,
    paths,
    pki,
    ports,
    processes,
)
from localcluster.controlplane import ControlPlane
from localcluster.processes import Process

_LOOPBACK = "127.0.0.1"


def ensure_pause_image(state: Path) -> None:
    """Import the pause image, which every pod needs, because there is no registry."""
    if containers.has_image(state, containers.PAUSE_IMAGE):
        return
    archive = state / "pause.tar"
    content = assets.program("pause").read_bytes()
    imagearchive.write(archive, containers.PAUSE_IMAGE, {"pause": content}, ["/pause"])
    containers.import_image(state, archive)
    archive.unlink()


def kubelet_configuration(state: Path, health_port: int) -> dict[str, Any]:
    """Return kubelet's configuration. It also runs in containers and with cgroup v1."""
    home = state / "kubelet"
    # With systemd-resolved, /etc/resolv.conf has an address that no pod can reach.
    resolvers = Path("/run/systemd/resolve/resolv.conf")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.GATEWAY,
        "readOnlyPort": 0,
        "healthzBindAddress": _LOOPBACK,
        "healthzPort": health_port,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(state / "pki" / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{containers.socket(state)}",
        "clusterDNS": [addresses.DNS_SERVICE_ADDRESS],
        "clusterDomain": addresses.CLUSTER_DOMAIN,
        "resolvConf": str(resolvers if resolvers.exists() else "/etc/resolv.conf"),
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "oomScoreAdj": 0,
        # Do not collect images when the disk is nearly full: they cannot be pulled again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "podLogsDir": str(state / "pod-logs"),
        "volumePluginDir": str(home / "volume-plugins"),
        "staticPodPath": "",
        # With the default, a changed Secret or ConfigMap reaches a pod only after a minute.
        "syncFrequency": "10s",
        "maxPods": 200,
    }


def start_kubelet(plane: ControlPlane) -> Process:
    """Start kubelet unless it is running."""
    state = plane.state
    home = paths.ensure_dir(state / "kubelet")
    number = _port(state, "kubelet-health")
    text = json.dumps(kubelet_configuration(state, number), indent=1)
    configuration = paths.write(home / "configuration.json", text)
    user = f"system:node:{addresses.NODE_NAME}"
    credentials = _kubeconfig(plane, "kubelet", user, ["system:nodes"])
    command = [str(assets.program("kubelet")), f"--config={configuration}", f"--root-dir={home}"]
    command += [f"--kubeconfig={credentials}", f"--cert-dir={state / 'pki' / 'kubelet'}"]
    command += [f"--hostname-override={addresses.NODE_NAME}", f"--node-ip={addresses.GATEWAY}"]
    process, _ = processes.ensure(state, "kubelet", command, configuration=[text])
    return process


def start_proxy(plane: ControlPlane) -> Process:
    """Start kube-proxy unless it is running."""
    state = plane.state
    user = "system:kube-proxy"
    credentials = _kubeconfig(plane, "kube-proxy", user, [])
    health, metrics = (_port(state, f"kube-proxy-{each}") for each in ("health", "metrics"))
    command = [str(assets.program("kube-proxy")), f"--kubeconfig={credentials}"]
    command += [f"--hostname-override={addresses.NODE_NAME}", "--proxy-mode=iptables"]
    # NodePorts listen on loopback only, never on external interfaces.
    command += ["--nodeport-addresses=127.0.0.0/8", f"--cluster-cidr={addresses.POD_RANGE}"]
    command += [f"--healthz-bind-address={_LOOPBACK}:{health}"]
    command += [f"--metrics-bind-address={_LOOPBACK}:{metrics}"]
    # Zero leaves the kernel's connection tracking settings unchanged.
    command += ["--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s"]
    command += ["--conntrack-tcp-timeout-close-wait=0s"]
    process, _ = processes.ensure(state, "kube-proxy", command)
    url = f"http://{_LOOPBACK}:{health}/healthz"
    processes.wait_until("kube-proxy is ready", lambda: kubeconfig.plain(url), process=process)
    return process


def wait_ready(plane: ControlPlane, kubelet: Process) -> None:
    """Wait until pods can be scheduled to the node."""
    url = f"{plane.url}/api/v1/nodes/{addresses.NODE_NAME}"

    def ready() -> bool:
        answer = kubeconfig.get(url, ca=plane.ca, user=plane.admin)
        return answer is not None and is_ready(json.loads(answer))

    processes.wait_until("the node is Ready", ready, process=kubelet, patience=90, every=0.2)


def is_ready(node: dict[str, Any]) -> bool:
    """Return whether a Node is Ready and has no startup taint."""
    conditions = node.get("status", {}).get("conditions", [])
    taints = {taint["key"] for taint in node.get("spec", {}).get("taints", [])}
    return "node.kubernetes.io/not-ready" not in taints and any(
        each["type"] == "Ready" and each["status"] == "True" for each in conditions
    )


def _port(state: Path, name: str) -> int:
    from_last_time = state / f"{name}.port"
    if not from_last_time.exists():
        paths.write(from_last_time, str(ports.free_port()))
    return int(from_last_time.read_text(encoding="ascii"))


def _kubeconfig(plane: ControlPlane, name: str, user: str, groups: list[str]) -> Path:
    pair = pki.issue(plane.state / "pki", name, common_name=user, groups=groups)
    path = plane.state / f"{name}.kubeconfig"
    return kubeconfig.write(path, server=plane.url, ca=plane.ca, user=pair)
