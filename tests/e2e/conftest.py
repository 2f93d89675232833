"""One installed trial for all end-to-end tests: `make up` itself, and `make down` afterwards."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from localcluster import clusters, paths
from localcluster.cluster import Cluster
from tests.e2e.machine import Machine, machine_now
from trial import chart

REPOSITORY = Path(__file__).resolve().parents[2]
MAKE_UP_TIMEOUT_SECONDS = 3_000
MAKE_DOWN_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Trial:
    """What `make up` left behind."""

    cluster: Cluster
    output: str
    """What `make up` printed."""
    tools: chart.Tools

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the release's namespace and return what it printed."""
        return self.tools.kubectl("--namespace", chart.NAMESPACE, *words)


def make(target: str, timeout_seconds: float) -> str:
    """Run a target of the Makefile and return all that it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    done = subprocess.run(
        ["make", target],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, f"make {target} failed:\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def trial() -> Iterator[Trial]:
    """The trial of `make up`; taken down afterwards unless it ran before."""
    if os.geteuid() != 0:
        pytest.skip("a node on this machine needs root")
    ran_before = clusters.present(paths.state_dir()) is not None
    before = machine_now()
    output = make("up", MAKE_UP_TIMEOUT_SECONDS)
    made = clusters.up()
    yield Trial(cluster=made, output=output, tools=chart.Tools(made.kubeconfig))
    if ran_before:
        return
    make("down", MAKE_DOWN_TIMEOUT_SECONDS)
    left = left_behind(before, machine_now())
    assert not left, f"make down left behind: {left}"


def left_behind(before: Machine, after: Machine) -> list[str]:
    """Return what is on the machine now and was not before, each as a sentence."""
    return [
        *[f"process {each}" for each in sorted(after.processes - before.processes)],
        *[f"mount {each}" for each in sorted(after.mounts - before.mounts)],
        *[f"network link {each}" for each in sorted(after.links - before.links)],
        *[f"network namespace {each}" for each in sorted(after.namespaces - before.namespaces)],
        *[f"firewall rule {each}" for each in sorted(after.rules - before.rules)],
    ]


@pytest.fixture
def http(trial: Trial) -> Iterator[httpx.Client]:
    """A client of the installed API."""
    with httpx.Client(base_url=trial.cluster.api_url, timeout=30) as client:
        yield client
