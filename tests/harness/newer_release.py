"""Resources of a newer release: its CRDs allow values that the models of this release refuse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.api import Resource
from tests.harness.cluster import CRDS, Cluster, install_crds
from tests.harness.jobs import job_body
from tests.harness.waiting import eventually_blocking
from wherry_core.resources.base import API_VERSION

NEWER_MAXIMUM: Final = 1_000_000
RAISED: Final = {
    "wherry.dev_downloadjobs.yaml": "priority",
    "wherry.dev_runnerpools.yaml": "stepUp",
}
"""By file of a CRD: the field of the spec for which the newer release allows more."""
UNREADABLE: Final = 900_000
"""A value of these fields that only the newer release knows."""


def unreadable_job(name: str, file_ids: list[str], **spec: Any) -> Resource:
    """Return a DownloadJob that only the newer release reads."""
    return job_body(file_ids, name, priority=UNREADABLE, **spec)


def unreadable_pool(name: str) -> Resource:
    """Return a RunnerPool that only the newer release reads."""
    return {
        "apiVersion": API_VERSION,
        "kind": "RunnerPool",
        "metadata": {"name": name},
        "spec": {"stepUp": UNREADABLE, "template": {"spec": {}}},
    }


@contextmanager
def newer_crds(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Install the CRDs of a newer release while the context is open, and this one's afterwards.

    This is the state of a cluster in the middle of an upgrade, because the CRDs come first.
    """
    for file, name in RAISED.items():
        definition = yaml.safe_load((CRDS / file).read_text())
        (version,) = definition["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"][name]["maximum"] = NEWER_MAXIMUM
        newer = folder / f"newer-{file}.json"
        newer.write_text(json.dumps(definition))
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(newer))
    sample = folder / "unreadable.json"
    items = [unreadable_job("sample", ["1"]), unreadable_pool("sample")]
    sample.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    eventually_blocking("the newer CRDs to be served", lambda: _accepted(cluster, sample))
    try:
        yield
    finally:
        install_crds(cluster)


def _accepted(cluster: Cluster, sample: Path) -> bool:
    try:
        cluster.kubectl("create", "--dry-run=server", "--namespace", "default", "-f", str(sample))
    except RuntimeError:
        return False
    return True
