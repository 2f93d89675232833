"""A cluster of one tenant with real programs. Every request to the store is recorded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
import pytest

from localcluster import ports
from tests.harness import tenants
from tests.harness.api import JOBS, POOLS, Api, Resource
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.process_node import ProcessNode, process_node
from tests.harness.processes import (
    ComponentProcess,
    ProcessGroup,
    answers,
    health_variables,
)
from tests.harness.waiting import eventually
from tests.integration.archive.faulty_proxy import FaultyProxy, faulty_proxy
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob

FILES = {"1": b"one\n" * 500, "2": b"two\n" * 500}
OTHERS = {
    "secret/1": b"not for tenants",
    "1": b"beside the folder",
    "archives/other-tenant/5f0c/1/theirs.zip": b"another tenant's archive",
}
"""Objects of the same bucket that no job may reach."""


@dataclass(frozen=True)
class Siege:
    """The system that hostile jobs attack."""

    api: Api
    redis: Redis
    bucket: Bucket
    namespace: str
    store: FaultyProxy
    """Proxy for every request of operator and runners to the store."""
    node: ProcessNode
    operator: ComponentProcess
    wherry: ComponentProcess
    client: httpx.AsyncClient
    """Client of the running wherry-api in auth mode none."""

    async def create(self, body: Resource) -> DownloadJob:
        """Create a job with exactly this body, as kubectl would."""
        return DownloadJob.model_validate(await self.api.create(JOBS, self.namespace, body))

    def stray_requests(self, uids: set[str]) -> list[str]:
        """Return the requests to the store outside the sources and the jobs' own archives."""
        return [line for line in self.store.seen if not self._in_place(line, uids)]

    def _in_place(self, line: str, uids: set[str]) -> bool:
        method, _, target = line.partition(" ")
        path, _, query = target.partition("?")
        key = unquote(path.removeprefix(f"/{self.bucket.name}"))
        own = [f"archives/{self.namespace}/{uid}/" for uid in uids]
        if not path.startswith(f"/{self.bucket.name}"):
            return False
        if key in {"", "/"}:
            # Lists and deletions of many name their keys elsewhere; lists by prefix only. With HEAD
            # the API asks whether the store answers.
            asked = parse_qs(query, keep_blank_values=True)
            prefix = asked.get("prefix", [""])[0]
            return method in {"HEAD", "POST"} or any(
                prefix == folder or prefix.startswith(folder) for folder in [*own, "archives/"]
            )
        key = key.removeprefix("/")
        if ".." in key.replace("\\", "/").split("/"):
            return False
        reads = method in {"GET", "HEAD"} and key.startswith("files/")
        return reads or any(key.startswith(folder) for folder in own)

    def log_lines(self) -> list[str]:
        """Return every line that the programs have written."""
        files = [self.operator.log, self.wherry.log]
        files += sorted(self.node.folder.glob("*/log"))
        return [line for file in files for line in file.read_text(errors="strict").split("\n")][:]

    def entries(self) -> list[dict[str, Any]]:
        """Return the log as entries. Raises ValueError when a line is not one JSON object."""
        found = []
        for line in filter(None, self.log_lines()):
            entry = json.loads(line)
            if not isinstance(entry, dict) or not line.isprintable():
                raise ValueError(f"not one entry of harmless characters: {line!r}")
            found.append(entry)
        return found


@pytest.fixture
def in_store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A fresh bucket, with its keys in the environment of the test's own process."""
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket


@pytest.fixture
async def siege(
    api: Api,
    cluster: Cluster,
    redis: Redis,
    redis_env: dict[str, str],
    bucket: Bucket,
    namespace: str,
    tmp_path: Path,
) -> AsyncIterator[Siege]:
    """Operator, API and runners as processes, JSON logs, and the store behind a recorder."""
    await bucket.put_files(FILES)
    async with bucket.connect() as client:
        for key, body in OTHERS.items():
            await client.put_object(Bucket=bucket.name, Key=key, Body=body)
    await tenants.create_service_account(api, namespace, "runner")
    rules = tenants.RUNNER_RULES
    await tenants.grant(api, (namespace, "runner"), rules, namespace=namespace)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(faulty_proxy(bucket.store.endpoint))
        common = {
            **redis_env,
            **bucket.environment,
            "WHERRY_S3_ENDPOINT_URL": store.address,
            "WHERRY_LOG_FORMAT": "json",
        }
        await api.create(POOLS, namespace, _pool(common))
        node = await stack.enter_async_context(
            process_node(api, cluster, tmp_path / "runners", [namespace])
        )
        group = ProcessGroup(tmp_path / "processes")
        # In a thread, because the loop serves the recorder that they need to shut down in order.
        stack.push_async_callback(asyncio.to_thread, group.close)
        environment = {
            **common,
            "KUBECONFIG": str(cluster.kubeconfig),
            "WHERRY_NAMESPACE": namespace,
            "WHERRY_LEADER_ELECTION": "false",
        }
        operator, wherry, url = _start(group, environment, namespace)
        await eventually(
            "operator and API to be ready",
            lambda: answers(operator.ready_url) and answers(wherry.ready_url),
        )
        caller = await stack.enter_async_context(
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        )
        yield Siege(api, redis, bucket, namespace, store, node, operator, wherry, caller)


def _start(
    group: ProcessGroup, environment: dict[str, str], namespace: str
) -> tuple[ComponentProcess, ComponentProcess, str]:
    health, url = health_variables()
    operator = group.start("wherry-operator", {**environment, **health})
    operator.ready_url = f"{url}/readyz"
    port = ports.free_port()
    own = {"WHERRY_HTTP_PORT": str(port), "WHERRY_DEFAULT_TENANT": namespace}
    wherry = group.start("wherry-api", {**environment, **own})
    wherry.ready_url = f"http://127.0.0.1:{port}/health"
    return operator, wherry, f"http://127.0.0.1:{port}"


def _pool(variables: dict[str, str]) -> Resource:
    container = {
        "name": "runner",
        "image": "runs-as-a-process",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    template = {"spec": {"serviceAccountName": "runner", "containers": [container]}}
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "RunnerPool",
        "metadata": {"name": "default"},
        "spec": {"idleSeconds": 30, "maxRunners": 2, "template": template},
    }
