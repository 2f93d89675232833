"""A release of the chart that belongs to the tests alone, beside the trial's own.

Tests that upgrade, uninstall, slow down or count use it, so that a trial in use goes on: it has its
own namespace, pool and runners. Node, Redis database and object store are the trial's, so that the
tests also show that two releases on one Redis database do not see each other.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from localcluster.cluster import Cluster
from tests.harness.buckets import connect_store, keys_in
from tests.harness.waiting import eventually_blocking
from trial import chart

INSTALL_TIMEOUT: Final = "600s"
"""Longer than the trial's: the node may be busy with the trial's jobs."""
COMPONENTS: Final = "app.kubernetes.io/component in (api, operator, runner)"
RUNNERS: Final = "app.kubernetes.io/component=runner"

Values = Mapping[str, Any]
"""Values of the chart by their dotted names."""


# Requests of zero, because the runners of a trial in use may have reserved the whole node.
NOTHING: Final = {"cpu": "0", "memory": "0"}
OWN_VALUES: Final[Values] = {
    "crds.enabled": False,
    "api.service.nodePort": None,
    "defaultPool.idleSeconds": 5,
    "api.resources.requests": NOTHING,
    "operator.resources.requests": NOTHING,
    "runner.resources.requests": NOTHING,
}
"""What an own release sets on top of the trial's values. It shares the Redis database."""


@dataclass(frozen=True)
class Release:
    """An installed chart in a namespace of its own."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace and return what it printed."""
        tools = chart.Tools(self.cluster.kubeconfig)
        return tools.kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def get(self, *words: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def helm(self, *words: str, stdin: str | None = None) -> str:
        """Run helm in the namespace and return what it printed."""
        tools = chart.Tools(self.cluster.kubeconfig)
        return tools.helm(*words, "--namespace", self.namespace, stdin=stdin)

    @property
    def api_url(self) -> str:
        """Where the API answers. Another install gets another port."""
        port = self.get("service", f"{chart.RELEASE}-api")["spec"]["ports"][0]["nodePort"]
        return f"http://{self._node_address()}:{port}"

    def _node_address(self) -> str:
        if self.cluster.kind == "bare":
            return "localhost"
        (node, *_) = self.get("nodes")["items"]
        addresses = {each["type"]: each["address"] for each in node["status"]["addresses"]}
        return str(addresses["InternalIP"])

    def install(self, values: Values) -> None:
        """Install the chart or upgrade it to these values; wait until its pods are ready."""
        words = ["upgrade", "--install", chart.RELEASE, str(chart.CHART), "--values", "-"]
        words += ["--wait", "--timeout", INSTALL_TIMEOUT]
        for name, value in {**OWN_VALUES, **values}.items():
            words += ["--set-json", f"{name}={json.dumps(value)}"]
        self.helm(*words, stdin=json.dumps(chart.values(self.cluster)))

    def uninstall(self) -> None:
        """Uninstall the chart; wait until its pods, also the runners, are gone."""
        self.helm("uninstall", chart.RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)
        eventually_blocking(
            "the pods to be gone", lambda: self.pods(COMPONENTS), lambda left: not left, within=90
        )

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Return the pods that a label selector matches."""
        found: list[dict[str, Any]] = self.get("pods", "--selector", selector)["items"]
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a DownloadJob."""
        found: dict[str, Any] = self.get("downloadjob", job_id)
        return found

    async def stored_keys(self) -> list[str]:
        """Return the keys of everything that the jobs of this release have stored."""
        store = self.cluster.store
        async with connect_store(store) as client:
            return await keys_in(client, store.bucket, f"archives/{self.namespace}/")


@contextmanager
def own_namespace(cluster: Cluster) -> Iterator[Release]:
    """Yield a release that is not installed yet; delete its namespace afterwards."""
    release = Release(cluster, f"wherry-e2e-{secrets.token_hex(3)}")
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": release.namespace,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    own = {"namespace": release.namespace}
    objects = [
        namespace,
        *({**each, "metadata": {**each["metadata"], **own}} for each in chart.secrets(cluster)),
    ]
    release.kubectl("create", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in objects))
    try:
        yield release
    finally:
        release.kubectl("delete", "namespace", release.namespace, "--timeout=120s")
