"""An object that this release cannot read, with a value of a newer CRD, affects only itself."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from localcluster import controlplane
from tests.harness import jobs, tenants
from tests.harness.api import JOBS, POOLS, Api, ApiError, Resource
from tests.harness.cluster import Cluster, install_crds
from tests.harness.processes import ComponentProcess
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.resources import DownloadJob, Phase

LOADED_WITHIN_SECONDS = 10.0


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An API server whose CRDs allow more than the models of this release."""
    plane = controlplane.start_control_plane(tmp_path_factory.mktemp("newer"))
    cluster = Cluster(plane.kubeconfig, plane.url, plane.ca.read_bytes(), plane)
    try:
        install_crds(cluster)
        loosen(cluster, "downloadjobs", "onMissing")
        loosen(cluster, "runnerpools", "concurrency")
        yield cluster
    finally:
        plane.stop()


def loosen(cluster: Cluster, plural: str, name: str) -> None:
    """Have a field of the spec accept every value."""
    path = f"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{name}"
    anything = {"x-kubernetes-preserve-unknown-fields": True}
    patch = json.dumps([{"op": "replace", "path": path, "value": anything}])
    cluster.kubectl("patch", "crd", f"{plural}.wherry.dev", "--type=json", "-p", patch)


async def readable(api: Api, kind: str, namespace: str, name: str) -> Resource | None:
    found = await api.get(kind, namespace, name)
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == "Readable"), None)


async def test_an_unreadable_pool_and_job_affect_only_themselves(
    operated: Operated, newer: Cluster, tmp_path: Path
) -> None:
    async with await Api.connect(newer.kubeconfig) as api:
        namespace = await tenants.create_namespace(api)
        operated.api, operated.namespace = api, namespace
        operated.environment |= {"KUBECONFIG": str(newer.kubeconfig), "WHERRY_NAMESPACE": namespace}
        bad_job = jobs.job_body(["1"], "bad", onMissing={"ask": "somebody"})
        await eventually(
            "the API server to take a newer job",
            lambda: created(api, JOBS, namespace, bad_job),
            within=30,
        )
        bad_pool = {
            "apiVersion": "wherry.dev/v1",
            "kind": "RunnerPool",
            "metadata": {"name": "bad"},
            "spec": {"concurrency": "adaptive", "template": {"spec": {"containers": []}}},
        }
        await eventually(
            "the API server to take a newer pool",
            lambda: created(api, POOLS, namespace, bad_pool),
            within=30,
        )
        await operated.create_pool()
        job = await jobs.create_job(api, namespace, ["1"])

        operator = operated.start_operator()
        assert seconds_of_load(operator) < LOADED_WITHIN_SECONDS
        runner = operated.runner()
        await runner.start()
        async with runner.beating():
            await runner.complete(await runner.take())
        await jobs.job_becomes(api, job, Phase.COMPLETED)
        for kind, place in ((JOBS, "spec.onMissing"), (POOLS, "spec.concurrency")):
            condition = await eventually(
                "the condition",
                lambda kind=kind: readable(api, kind, namespace, "bad"),  # type: ignore[misc]
            )
            assert condition is not None
            assert condition["status"] == "False"
            assert place in condition["message"]
        events = await api.list_all("events.k8s.io/v1/events", namespace)
        assert sorted(e["regarding"]["kind"] for e in events if e["reason"] == "Unreadable") == [
            "DownloadJob",
            "RunnerPool",
        ]

        # Corrected while the operator runs, they are read like every other object.
        await api.patch(JOBS, namespace, "bad", {"spec": {"onMissing": "Fail"}})
        await api.patch(POOLS, namespace, "bad", {"spec": {"concurrency": 2}})
        await jobs.job_becomes(api, await named(api, namespace, "bad"), Phase.QUEUED)
        for kind in (JOBS, POOLS):
            await eventually(
                "the condition to be taken back",
                lambda kind=kind: readable(api, kind, namespace, "bad"),  # type: ignore[misc]
                lambda found: found is None or found["status"] == "True",
            )
        assert operator.log_text().count("the operator starts") == 1


def seconds_of_load(operator: ComponentProcess) -> float:
    """Return how long the operator's first load took."""
    found = re.search(r"runner pods in (\S+) s", operator.log_text())
    assert found is not None
    return float(found.group(1))


async def created(api: Api, kind: str, namespace: str, body: Resource) -> bool:
    """Create an object as soon as the API server has taken in the newer CRD."""
    try:
        await api.create(kind, namespace, body)
    except ApiError as error:
        return error.status == 409
    return True


async def named(api: Api, namespace: str, name: str) -> Any:
    return DownloadJob.model_validate(await api.get(JOBS, namespace, name))
