"""The trial of `make up`, and beside it a release of the tests' own.

The trial may be in use: it may hold other jobs and other runners. So tests only read the trial and
the job of `make up` in it. Everything that slows down, counts, upgrades or uninstalls happens in
the tests' own release. The tests start with `make up`, which upgrades a running trial to this tree;
its jobs continue meanwhile.
"""

import asyncio
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
from tests.e2e.release import Release, own_namespace
from tests.harness.waiting import eventually_blocking
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


@pytest.fixture(scope="session")
def release(trial: Trial) -> Iterator[Release]:
    """A release of the tests' own, installed; deleted afterwards with all that its jobs stored."""
    with own_namespace(trial.cluster) as made:
        made.install({})
        yield made
        made.kubectl("delete", "downloadjobs", "--all", "--timeout=60s")
        eventually_blocking(
            "the archives of the deleted jobs to be gone",
            lambda: asyncio.run(made.stored_keys()),
            lambda keys: not keys,
            within=60,
            every=1,
        )
        made.uninstall()


@pytest.fixture
def http(release: Release) -> Iterator[httpx.Client]:
    """A client of the own release's API."""
    with httpx.Client(base_url=release.api_url, timeout=30) as client:
        yield client


@pytest.fixture
def trial_http(trial: Trial) -> Iterator[httpx.Client]:
    """A client of the trial's API."""
    with httpx.Client(base_url=trial.cluster.api_url, timeout=30) as client:
        yield client
