"""A runner as the pod that the operator makes, played by the process node."""

from pathlib import Path

from tests.harness.api import Resource
from tests.harness.cluster import Cluster
from tests.harness.jobs import job_becomes
from tests.harness.process_node import process_node
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room
from wherry_core.resources import Phase


def runner_pod(name: str, environment: dict[str, str]) -> Resource:
    variables = [{"name": key, "value": value} for key, value in environment.items()]
    own = {"name": "WHERRY_RUNNER_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    container = {
        "name": "runner",
        "image": "none",
        "env": [*variables, own],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
    }
    spec = {"restartPolicy": "Never", "serviceAccountName": "runner", "containers": [container]}
    return {"metadata": {"name": name}, "spec": spec}


async def test_runner_pod_works_with_its_service_account_and_ends_well_when_deleted(
    room: Room, cluster: Cluster, redis_env: dict[str, str], tmp_path: Path
) -> None:
    async with process_node(room.api, cluster, tmp_path, [room.namespace]) as node:
        body = runner_pod("default-runner-0", {**redis_env, **room.bucket.environment})
        await room.api.create("pods", room.namespace, body)
        job = await room.queue()
        done = await job_becomes(room.api, job, Phase.COMPLETED)
        assert done.status.runner == "default-runner-0"
        await eventually(
            "the pod to be ready",
            lambda: room.api.get("pods", room.namespace, "default-runner-0"),
            lambda pod: pod["status"]["containerStatuses"][0]["ready"],
        )
        await room.api.delete("pods", room.namespace, "default-runner-0")
        await eventually(
            "the pod to be gone",
            lambda: room.api.find("pods", room.namespace, "default-runner-0"),
            lambda pod: pod is None,
        )
        assert node.pids() == {}
        assert "runner ended" in node.process("default-runner-0").log_file.read_text()
