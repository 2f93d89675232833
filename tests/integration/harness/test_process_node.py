"""The process node against a real API server."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.api import Api, Resource
from tests.harness.cluster import Cluster
from tests.harness.process_node import ProcessNode, process_node
from tests.harness.tenants import create_service_account
from tests.harness.waiting import eventually


@pytest.fixture
async def node(
    api: Api, cluster: Cluster, namespace: str, tmp_path: Path
) -> AsyncIterator[ProcessNode]:
    await create_service_account(api, namespace, "default")
    async with process_node(api, cluster, tmp_path, [namespace]) as running:
        yield running


def pod_body(name: str, script: str, **container: Any) -> Resource:
    runner = {"name": "runner", "image": "none", "command": ["bash", "-c", script], **container}
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [runner]}}


async def phase(api: Api, namespace: str, name: str, *wanted: str) -> Resource:
    pod = await eventually(
        f"pod {name} to be {wanted}",
        lambda: api.find("pods", namespace, name),
        lambda found: (found or {}).get("status", {}).get("phase") in wanted,
    )
    assert pod is not None
    return pod


async def gone(api: Api, namespace: str, name: str) -> None:
    await eventually(
        f"pod {name} to be gone",
        lambda: api.find("pods", namespace, name),
        lambda found: found is None,
    )


async def test_process_gets_the_pods_environment_and_its_exit_code_is_shown(
    api: Api, namespace: str, node: ProcessNode
) -> None:
    await api.create(
        "secrets", namespace, {"metadata": {"name": "s"}, "stringData": {"password": "swordfish"}}
    )
    env = [
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "GREETING", "value": "hello $(ME)"},
    ]
    script = 'echo "$GREETING $PASSWORD"; exit 3'
    await api.create("pods", namespace, pod_body("one", script, env=env))
    pod = await phase(api, namespace, "one", "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert node.process("one").log_file.read_text() == "hello one swordfish\n"
    await api.delete("pods", namespace, "one")
    await gone(api, namespace, "one")


async def test_deletion_terminates_first_and_kills_after_the_grace_period(
    api: Api, namespace: str, node: ProcessNode
) -> None:
    obedient = 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done'
    stubborn = 'trap "" TERM; echo up; while :; do sleep 0.05; done'
    await api.create("pods", namespace, pod_body("obedient", obedient))
    await api.create("pods", namespace, pod_body("stubborn", stubborn))
    for name in ("obedient", "stubborn"):
        await phase(api, namespace, name, "Running")
        await eventually(f"{name} to be up", node.process(name).log_file.read_text)
        await api.delete("pods", namespace, name, grace_seconds=1)
    await gone(api, namespace, "obedient")
    await gone(api, namespace, "stubborn")
    assert "bye" in node.process("obedient").log_file.read_text()
    assert node.pids() == {}


async def test_capacity_keeps_pods_unschedulable_until_there_is_room(
    api: Api, namespace: str, node: ProcessNode
) -> None:
    node.set_capacity(1)
    await api.create("pods", namespace, pod_body("first", "sleep 60"))
    await phase(api, namespace, "first", "Running")
    await api.create("pods", namespace, pod_body("second", "sleep 60"))
    pod = await eventually(
        "a condition",
        lambda: api.get("pods", namespace, "second"),
        lambda found: bool(found["status"].get("conditions")),
    )
    assert pod["status"]["conditions"][0]["reason"] == "Unschedulable"
    os.kill(node.pids()["first"], signal.SIGKILL)
    first = await phase(api, namespace, "first", "Failed")
    assert first["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    await phase(api, namespace, "second", "Running")


async def test_oom_eviction_and_a_lost_node_look_as_on_a_real_one(
    api: Api, namespace: str, node: ProcessNode
) -> None:
    for name in ("oom", "evicted", "vanished"):
        await api.create("pods", namespace, pod_body(name, "sleep 60"))
        await phase(api, namespace, name, "Running")
    node.process("oom").oom_kill()
    node.process("evicted").evict()
    await node.vanish("vanished")
    oom = await phase(api, namespace, "oom", "Failed")
    terminated = oom["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["reason"] == "OOMKilled"
    evicted = await phase(api, namespace, "evicted", "Failed")
    assert evicted["status"]["reason"] == "Evicted"
    await gone(api, namespace, "vanished")


async def test_pod_with_a_missing_secret_waits_for_it(
    api: Api, namespace: str, node: ProcessNode
) -> None:
    env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    await api.create("pods", namespace, pod_body("one", 'test "$P" = here', env=env))
    pod = await eventually(
        "a waiting reason",
        lambda: api.get("pods", namespace, "one"),
        lambda found: bool(found["status"].get("containerStatuses")),
    )
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"] == 'secrets "late" not found'
    await api.create(
        "secrets", namespace, {"metadata": {"name": "late"}, "stringData": {"k": "here"}}
    )
    await phase(api, namespace, "one", "Succeeded")
