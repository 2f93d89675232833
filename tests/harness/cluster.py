"""The cluster that tests run against: an own control plane, or the one of KUBECONFIG."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localcluster import assets, controlplane
from tests.harness.waiting import eventually_blocking

REPOSITORY = Path(__file__).resolve().parents[2]
CRDS = REPOSITORY / "crds"


@dataclass(frozen=True)
class Cluster:
    """A reachable API server with Wherry's CRDs."""

    kubeconfig: Path
    """Kubeconfig of an administrator."""
    url: str
    """URL of the API server."""
    ca: bytes
    """Certificate authority of the API server, PEM."""
    control_plane: controlplane.ControlPlane | None
    """The processes behind it, to be killed and started again; None for an existing cluster."""

    @property
    def existing(self) -> bool:
        """True for a cluster that was there before the tests and stays after them."""
        return self.control_plane is None

    def kubectl(self, *words: str) -> str:
        """Run kubectl as the administrator and return its output. Raises RuntimeError."""
        command = [str(assets.program("kubectl")), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def token_kubeconfig(
        self,
        path: Path,
        *,
        namespace: str,
        token: str = "",
        token_file: Path | None = None,
        server: str = "",
    ) -> Path:
        """Write a kubeconfig for a bearer token, or for a file that holds one; return ``path``.

        ``server`` replaces the API server's URL, for instance by a fault proxy's.
        """
        user = {"tokenFile": str(token_file)} if token_file else {"token": token}
        cluster = {
            "server": server or self.url,
            "certificate-authority-data": base64.b64encode(self.ca).decode(),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "wherry", "cluster": cluster}],
            "users": [{"name": "wherry", "user": user}],
            "contexts": [
                {
                    "name": "wherry",
                    "context": {"cluster": "wherry", "user": "wherry", "namespace": namespace},
                }
            ],
            "current-context": "wherry",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(document, indent=1))
        return path


def uses_existing_cluster() -> bool:
    """Whether USE_EXISTING_CLUSTER asks for the cluster of the current kubeconfig."""
    return os.environ.get("USE_EXISTING_CLUSTER", "").lower() in {"1", "true", "yes"}


def open_kubeconfig(path: Path) -> Cluster:
    """Return the cluster that the current context of a kubeconfig names."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    contexts = {each["name"]: each["context"] for each in document["contexts"]}
    clusters = {each["name"]: each["cluster"] for each in document["clusters"]}
    chosen = clusters[contexts[document["current-context"]]["cluster"]]
    if "certificate-authority-data" in chosen:
        ca = base64.b64decode(chosen["certificate-authority-data"])
    elif "certificate-authority" in chosen:
        ca = (path.parent / chosen["certificate-authority"]).read_bytes()
    else:
        raise ValueError(f"{path} names no certificate authority for {chosen['server']}")
    return Cluster(kubeconfig=path, url=chosen["server"], ca=ca, control_plane=None)


def install_crds(cluster: Cluster) -> None:
    """Create or update both CRDs and wait until they are served."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    # Established resources answer "storage is (re)initializing" for another moment.
    eventually_blocking("the custom resources to be served", lambda: _served(cluster))


def _served(cluster: Cluster) -> bool:
    try:
        cluster.kubectl("get", "downloadjobs,runnerpools", "--all-namespaces")
    except RuntimeError:
        return False
    return True


@contextmanager
def running_cluster(state: Path, **options: Any) -> Iterator[Cluster]:
    """Start a control plane of its own with the CRDs, and end it afterwards.

    ``options`` go to ``localcluster.controlplane.start_control_plane``. Without the controller
    manager nothing collects owned objects, and deleted namespaces stay.
    """
    plane = controlplane.start_control_plane(state, **options)
    try:
        ca = (plane.state / "pki" / "ca.crt").read_bytes()
        cluster = Cluster(kubeconfig=plane.kubeconfig, url=plane.url, ca=ca, control_plane=plane)
        install_crds(cluster)
        yield cluster
    finally:
        plane.stop()


@contextmanager
def cluster_for_tests(state: Path) -> Iterator[Cluster]:
    """Yield the existing cluster if it is asked for, else one of its own."""
    if not uses_existing_cluster():
        with running_cluster(state) as cluster:
            yield cluster
        return
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    cluster = open_kubeconfig(Path(named or "~/.kube/config").expanduser())
    install_crds(cluster)
    yield cluster
