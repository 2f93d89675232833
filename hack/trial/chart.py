"""Install the chart with Helm, as an admin with an external Redis and S3 store does."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster import assets, say
from localcluster.cluster import Cluster

RELEASE: Final = "wherry"
NAMESPACE: Final = "wherry"
CHART: Final = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "wherry"
REDIS_SECRET: Final = "wherry-redis"  # noqa: S105
STORE_SECRET: Final = "wherry-store"  # noqa: S105
INSTALL_TIMEOUT: Final = "180s"


@dataclass(frozen=True)
class Tools:
    """kubectl and helm for one cluster."""

    kubeconfig: Path

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl and return its output. Raises SetupError."""
        return self._run("kubectl", words, stdin)

    def helm(self, *words: str, stdin: str | None = None) -> str:
        """Run helm and return its output. Raises SetupError."""
        return self._run("helm", words, stdin)

    def set_default_namespace(self) -> None:
        """Make the release's namespace the default of this kubeconfig."""
        self.kubectl("config", "set-context", "--current", "--namespace", NAMESPACE)

    def _run(self, program: str, words: tuple[str, ...], stdin: str | None) -> str:
        command = [str(assets.program(program)), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise say.SetupError(f"{program} {' '.join(words[:3])} failed: {done.stderr.strip()}")
        return done.stdout


def values(cluster: Cluster) -> dict[str, Any]:
    """Return the chart's values for this cluster, as an admin would write them."""
    repository, _, tag = cluster.image.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"},
        "redis": {
            "host": cluster.redis.host,
            "port": cluster.redis.port,
            "existingSecret": REDIS_SECRET,
        },
        "s3": {
            "endpointUrl": cluster.store.endpoint,
            "region": cluster.store.region,
            "existingSecret": STORE_SECRET,
            "sourceBucket": cluster.store.bucket,
            "archiveBucket": cluster.store.bucket,
        },
        # One node: a second replica would only use more of its memory.
        "operator": {"replicas": 1},
        "api": {
            "replicas": 1,
            "auth": {"mode": "none"},
            "service": {"type": "NodePort", "nodePort": 3000},
        },
    }


def secrets(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the two Secrets that the values refer to."""
    return [
        _secret(REDIS_SECRET, {"redis-password": cluster.redis.password}),
        _secret(
            STORE_SECRET,
            {
                "AWS_ACCESS_KEY_ID": cluster.store.access_key,
                "AWS_SECRET_ACCESS_KEY": cluster.store.secret_key,
            },
        ),
    ]


def install(cluster: Cluster, overrides: dict[str, Any], progress: Callable[[str], None]) -> None:
    """Create the namespace and the Secrets, install or upgrade the chart, and wait for it.

    ``overrides`` are further values by their dotted names. Raises SetupError, with the state of
    the pods, when the release does not become ready.
    """
    tools = Tools(cluster.kubeconfig)
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    documents = "\n---\n".join(json.dumps(each) for each in [namespace, *secrets(cluster)])
    tools.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=documents)
    words = ["upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE]
    words += ["--values", "-", "--wait", "--timeout", INSTALL_TIMEOUT]
    for name, value in overrides.items():
        words += ["--set-json", f"{name}={json.dumps(value)}"]
    try:
        tools.helm(*words, stdin=json.dumps(values(cluster)))
    except say.SetupError as error:
        pods = tools.kubectl("get", "pods", "--namespace", NAMESPACE, "--output", "wide")
        raise say.SetupError(
            f"{error.sentence}\nThe pods:\n{pods}\nFor details: kubectl --kubeconfig "
            f"{cluster.kubeconfig} --namespace {NAMESPACE} describe pods"
        ) from error
    progress(tools.helm("status", RELEASE, "--namespace", NAMESPACE).splitlines()[3])


def _secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": data,
    }
