"""A control plane for the chart's tests alone, because they install and delete the CRDs."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from localcluster import assets
from localcluster.controlplane import ControlPlane, start_control_plane
from tests.harness.waiting import eventually_blocking
from tests.unit.chart.renders import CHART, MINIMAL, RELEASE, Values, merged

Question = tuple[str, str, str, str]
"""Service account of the release, verb, resource, namespace."""

CRD_PATIENCE_SECONDS: Final = 240.0
RESTRICTED: Final = "pod-security.kubernetes.io/enforce=restricted"


@dataclass(frozen=True)
class Admin:
    """An administrator with helm and kubectl in one namespace."""

    plane: ControlPlane
    namespace: str

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace and return what it printed."""
        return self.plane.kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def get(self, *words: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def helm(self, *words: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm; ``values`` are merged into the minimal ones."""
        command = [str(assets.program("helm")), *words, "--namespace", self.namespace]
        command += ["--kubeconfig", str(self.plane.kubeconfig)]
        text = None
        if values is not None:
            command += ["--values", "-"]
            text = json.dumps(merged(MINIMAL, values))
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=120, check=False
        )

    def install(self, values: Values, *words: str) -> str:
        """Install or upgrade the chart and return what helm printed."""
        done = self.helm("upgrade", "--install", RELEASE, str(CHART), *words, values=values)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uninstall(self) -> str:
        """Uninstall the release and return what helm printed."""
        done = self.helm("uninstall", RELEASE)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def apply_pool(
        self, folder: Path, patience_seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the operator pod's init container as a process, with the operator's token.

        Raises TimeoutError with its output when it does not exit in time.
        """
        config_map = self.get("configmap", "wherry-pool-default")
        (folder / "pool.json").write_text(config_map["data"]["pool.json"], encoding="utf-8")
        cluster = {
            "server": self.plane.url,
            "certificate-authority": str(self.plane.state / "pki" / "ca.crt"),
        }
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [
                {
                    "name": "operator",
                    "user": {"token": self.kubectl("create", "token", "wherry-operator").strip()},
                }
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
            "current-context": "test",
        }
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig), encoding="utf-8")
        environment = os.environ | {
            "KUBECONFIG": str(folder / "kubeconfig"),
            "POOL_FILE": str(folder / "pool.json"),
            "OWNER_CONFIG_MAP": "wherry-pool-default",
        }
        try:
            return subprocess.run(
                [sys.executable, "-m", "wherry_operator", "apply-pool"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=patience_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TimeoutError((error.stderr or b"").decode()) from error

    def allowed(self, questions: Iterable[Question]) -> set[Question]:
        """Return the questions that the API server answers with yes."""
        asked = list(questions)
        reviews = [
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": f"system:serviceaccount:{self.namespace}:{account}",
                    "groups": [
                        "system:serviceaccounts",
                        f"system:serviceaccounts:{self.namespace}",
                    ],
                    "resourceAttributes": _attributes(verb, resource, namespace),
                },
            }
            for account, verb, resource, namespace in asked
        ]
        text = "\n---\n".join(json.dumps(each) for each in reviews)
        answers = self.kubectl(
            "create", "-f", "-", "-o", 'jsonpath={.status.allowed}{" "}', stdin=text
        ).split()
        assert len(answers) == len(asked)
        return {each for each, answer in zip(asked, answers, strict=True) if answer == "true"}


def _attributes(verb: str, resource: str, namespace: str) -> dict[str, str]:
    kind, _, sub = resource.partition("/")
    plural, _, group = kind.partition(".")
    return {
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": sub,
        "namespace": namespace,
    }


def delete_crds(plane: ControlPlane) -> None:
    """Delete all CRDs and wait until they are gone.

    This takes over a minute when the API server has to try a second time.
    """
    plane.kubectl("delete", "crd", "--all", "--wait=false")
    eventually_blocking(
        "all CRDs to be gone",
        lambda: plane.kubectl("get", "crd", "--output", "name"),
        lambda left: not left.strip(),
        within=CRD_PATIENCE_SECONDS,
    )


@pytest.fixture(scope="session")
def chart_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the controller manager, without CRDs and without nodes."""
    plane = start_control_plane(tmp_path_factory.mktemp("chart"), controller_manager=True)
    yield plane
    plane.stop()


@pytest.fixture
def admin(chart_plane: ControlPlane) -> Iterator[Admin]:
    """An admin in a fresh namespace that admits restricted pods only."""
    namespace = f"wherry-{secrets.token_hex(4)}"
    chart_plane.kubectl("create", "namespace", namespace)
    chart_plane.kubectl("label", "namespace", namespace, RESTRICTED)
    made = Admin(chart_plane, namespace)
    yield made
    if made.helm("status", RELEASE).returncode == 0:
        made.uninstall()
    delete_crds(chart_plane)
