"""The quick form of the trial: a control plane without a node, and everything else as processes.

The operator creates real runner pods. The tests' process node stands in for scheduler and kubelet
and runs each pod as a process of this machine. Needs neither root nor containers.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster import clusters, paths, processes
from localcluster.cluster import Cluster
from localcluster.steps import step
from trial.chart import NAMESPACE, RELEASE, Tools

RUNNER_ACCOUNT: Final = f"{RELEASE}-runner"
PROGRAMS: Final = Path(sys.executable).parent
COMPONENTS: Final = ("wherry-api", "wherry-operator", "process-node")


@dataclass(frozen=True)
class Component:
    """One of Wherry's programs as a process."""

    name: str
    command: list[str]
    environment: dict[str, str]


def up() -> Cluster:
    """Start everything that is not running; return the cluster. Raises SetupError."""
    cluster = prepare()
    with step("operator, API and process node"):
        start_components(cluster)
    return cluster


def prepare() -> Cluster:
    """Start everything except Wherry itself; return the cluster. Raises SetupError."""
    cluster = clusters.up("process")
    tools = Tools(cluster.kubeconfig)
    with step("custom resources, permissions and the runner pool"):
        crds = str(paths.REPOSITORY / "crds")
        tools.kubectl("apply", "--server-side", "--force-conflicts", "--filename", crds)
        tools.kubectl("wait", "--for=condition=Established", "--filename", crds)
        documents = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(cluster)})
        tools.kubectl(
            "apply", "--server-side", "--force-conflicts", "--filename", "-", stdin=documents
        )
    return cluster


def stop_components() -> None:
    """Stop Wherry's processes, the API first, so that no new job is accepted."""
    for name in COMPONENTS:
        processes.stop(paths.state_dir(), name)


def settings(cluster: Cluster) -> dict[str, str]:
    """Return the environment of all components."""
    return {
        "REDIS_HOST": cluster.redis.host,
        "REDIS_PORT": str(cluster.redis.port),
        "REDIS_PASSWORD": cluster.redis.password,
        "WHERRY_S3_ENDPOINT_URL": cluster.store.endpoint,
        "WHERRY_S3_REGION": cluster.store.region,
        "WHERRY_SOURCE_BUCKET": cluster.store.bucket,
        "WHERRY_ARCHIVE_BUCKET": cluster.store.bucket,
        "AWS_ACCESS_KEY_ID": cluster.store.access_key,
        "AWS_SECRET_ACCESS_KEY": cluster.store.secret_key,
        "WHERRY_NAMESPACE": NAMESPACE,
        "WHERRY_LOG_FORMAT": "text",
        # Export traces if the caller has configured it.
        **{name: value for name, value in os.environ.items() if name.startswith("OTEL_")},
    }


def objects(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the namespace, permissions and pool that the chart would create."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": RUNNER_ACCOUNT}
    subject = {"kind": "ServiceAccount", "name": RUNNER_ACCOUNT, "namespace": NAMESPACE}
    runner = {
        "name": "runner",
        "image": "runs-as-a-process",
        "command": ["wherry-jobrunner"],
        "env": [{"name": name, "value": value} for name, value in settings(cluster).items()],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _object("v1", "ServiceAccount", RUNNER_ACCOUNT),
        _object(
            "rbac.authorization.k8s.io/v1",
            "Role",
            RUNNER_ACCOUNT,
            rules=[
                {"apiGroups": ["wherry.dev"], "resources": ["downloadjobs"], "verbs": ["get"]},
                {
                    "apiGroups": ["wherry.dev"],
                    "resources": ["downloadjobs/status"],
                    "verbs": ["patch"],
                },
            ],
        ),
        _object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            RUNNER_ACCOUNT,
            roleRef=role,
            subjects=[subject],
        ),
        _object(
            "wherry.dev/v1",
            "RunnerPool",
            "default",
            spec={
                "maxRunners": 4,
                "template": {
                    "metadata": {},
                    "spec": {"serviceAccountName": RUNNER_ACCOUNT, "containers": [runner]},
                },
            },
        ),
    ]


def components(cluster: Cluster) -> tuple[Component, ...]:
    """Return operator, process node and API, in the order in which they start."""
    # All components act as the administrator; with the chart each has its own account.
    environment = settings(cluster) | {"KUBECONFIG": str(cluster.kubeconfig)}
    node = [sys.executable, "-m", "tests.harness.process_node"]
    node += ["--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE]
    node += ["--folder", str(paths.state_dir() / "runners")]
    path = f"{paths.REPOSITORY / 'hack'}:{paths.REPOSITORY}"
    api = {"WHERRY_DEFAULT_TENANT": NAMESPACE, "WHERRY_AUTH_MODE": "none"}
    return (
        Component(
            "wherry-operator",
            [str(PROGRAMS / "wherry-operator")],
            environment | {"WHERRY_HEALTH_PORT": "0"},
        ),
        Component("process-node", node, {"PYTHONPATH": path}),
        Component("wherry-api", [str(PROGRAMS / "wherry-api")], environment | api),
    )


def start_components(cluster: Cluster) -> None:
    """Start the operator, the process node and the API, unless they run already."""
    for component in components(cluster):
        process = _ensure(paths.state_dir(), component)
    processes.wait_until(
        "the API answers", lambda: answers(f"{cluster.api_url}/health"), process=process
    )


def answers(url: str) -> bool:
    """Return whether a GET of ``url`` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _ensure(state: Path, component: Component) -> processes.Process:
    """Start a process, or return the running one; a changed environment restarts it."""
    configuration = [
        f"{variable}={value}" for variable, value in sorted(component.environment.items())
    ]
    process, _ = processes.ensure(
        state,
        component.name,
        component.command,
        env=component.environment,
        cwd=paths.REPOSITORY,
        configuration=configuration,
    )
    return process


def _object(version: str, kind: str, name: str, **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}
