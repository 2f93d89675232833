"""DNS of the cluster: CoreDNS as a process of the machine, behind the Service kube-dns."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from localcluster import addresses, assets, kubeconfig, paths, pki, processes, say
from localcluster.controlplane import ControlPlane
from localcluster.processes import Process

NAME = "coredns"
_USER = "wherry:coredns"


def corefile(credentials: Path) -> str:
    """Return CoreDNS's configuration; it forwards other names to the machine's resolver."""
    return f"""\
.:53 {{
    bind {addresses.GATEWAY}
    errors
    kubernetes {addresses.CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {credentials}
        pods insecure
        ttl 5
    }}
    forward . /etc/resolv.conf
    cache 5
    reload
}}
"""


def manifests() -> dict[str, Any]:
    """Return the Service for the pods, its endpoint on the machine, and CoreDNS's role."""
    labels = {"kubernetes.io/service-name": "kube-dns"}
    labels["endpointslice.kubernetes.io/managed-by"] = "wherry-localcluster"
    named = {"name": "wherry:coredns"}
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "kube-dns", "namespace": "kube-system"},
                "spec": {
                    "clusterIP": addresses.DNS_SERVICE_ADDRESS,
                    "ports": [
                        {"name": "dns", "port": 53, "protocol": "UDP"},
                        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                    ],
                },
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "kube-dns-1", "namespace": "kube-system", "labels": labels},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [addresses.GATEWAY], "conditions": {"ready": True}}],
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRole",
                "metadata": named,
                "rules": [
                    {
                        "apiGroups": [""],
                        "resources": ["services", "pods", "namespaces"],
                        "verbs": ["list", "watch"],
                    },
                    {
                        "apiGroups": ["discovery.k8s.io"],
                        "resources": ["endpointslices"],
                        "verbs": ["list", "watch"],
                    },
                ],
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": named,
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": named["name"]},
                "subjects": [{"apiGroup": group, "kind": "User", "name": _USER}],
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "wherry:kube-proxy"},
                "roleRef": {
                    "apiGroup": group,
                    "kind": "ClusterRole",
                    "name": "system:node-proxier",
                },
                "subjects": [{"apiGroup": group, "kind": "User", "name": "system:kube-proxy"}],
            },
        ],
    }


def start(plane: ControlPlane) -> Process:
    """Start CoreDNS unless it is running, and wait until it resolves the API server's Service."""
    state = plane.state
    plane.kubectl("apply", "-f", "-", stdin=json.dumps(manifests()))
    pair = pki.issue(state / "pki", NAME, common_name=_USER)
    path = state / "coredns.kubeconfig"
    credentials = kubeconfig.write(path, server=plane.url, ca=plane.ca, user=pair)
    text = corefile(credentials)
    config = paths.write(state / "Corefile", text)
    if processes.find(state, NAME) is None and not _is_free():
        raise say.SetupError(
            f"Another program answers DNS on {addresses.GATEWAY}:53, probably a server that "
            "listens on every address. `ss -lunp` shows which; restrict it to its own address."
        )
    command = [str(assets.program(NAME)), "-conf", str(config)]
    process, _ = processes.ensure(state, NAME, command, configuration=[text])
    name = f"kubernetes.default.svc.{addresses.CLUSTER_DOMAIN}"
    processes.wait_until(f"{name} resolves", lambda: resolves(name), process=process)
    return process


def _is_free() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((addresses.GATEWAY, 53))
        except OSError:
            return False
    return True


def question(name: str) -> bytes:
    """Return a DNS query for the IPv4 address of a name."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", 0x3A7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def resolves(name: str) -> bool:
    """Return whether CoreDNS resolves a name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.sendto(question(name), (addresses.GATEWAY, 53))
            header = client.recv(512)[:12]
        except OSError:
            return False
    _, flags, _, answers, _, _ = struct.unpack(">6H", header)
    return bool(flags & 0xF == 0 and answers > 0)
