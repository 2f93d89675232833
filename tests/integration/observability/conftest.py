"""Two operators, the API, runners of three kinds, and a Prometheus that scrapes all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from localcluster import ports
from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from tests.harness.api import POOLS, Api
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.fixtures import redis_environment
from tests.harness.process_node import ProcessNode, process_node
from tests.harness.processes import ComponentProcess, ProcessGroup, health_variables
from tests.harness.tenants import (
    RUNNER_RULES,
    create_service_account,
    grant,
    service_account_kubeconfig,
)
from tests.integration.observability.prometheus import Prometheus, Target, running_prometheus

FILES: Final = {"1": b"one" * 100_000, "2": b"two" * 200_000}


@dataclass
class World:
    """The running system, as tests query and break it."""

    api: Api
    cluster: Cluster
    namespace: str
    bucket: Bucket
    redis: RedisServer
    environment: dict[str, str]
    processes: ProcessGroup
    node: ProcessNode
    targets: list[Target] = field(default_factory=list)
    operators: list[ComponentProcess] = field(default_factory=list)

    async def start_operator(self, **variables: str) -> ComponentProcess:
        """Start a replica of the operator."""
        health, url = health_variables()
        name = f"operator-{len(self.operators)}"
        process = await asyncio.to_thread(
            self.processes.start,
            "wherry-operator",
            {
                **self.environment,
                **health,
                "WHERRY_LEADER_ELECTION": "true",
                "WHERRY_LEASE_SECONDS": "6",
                **variables,
            },
            name=name,
            ready_url=f"{url}/readyz",
        )
        self.operators.append(process)
        self._scrape(int(health["WHERRY_HEALTH_PORT"]), "operator", name)
        return process

    async def start_api(self, name: str, **variables: str) -> tuple[ComponentProcess, str]:
        """Start an API; return it and its URL."""
        port, metrics_port = ports.free_port(), ports.free_port()
        url = f"http://127.0.0.1:{port}"
        process = await asyncio.to_thread(
            self.processes.start,
            "wherry-api",
            {
                **self.environment,
                "WHERRY_HTTP_PORT": str(port),
                "WHERRY_METRICS_PORT": str(metrics_port),
                "WHERRY_SHUTDOWN_DELAY_SECONDS": "0",
                "WHERRY_DRAIN_SECONDS": "0",
                **variables,
            },
            name=name,
            ready_url=f"{url}/docs",
        )
        self._scrape(metrics_port, "api", name)
        return process, url

    async def stranger(self, folder: Path) -> Path:
        """Return a kubeconfig without any permissions."""
        who = (self.namespace, "stranger")
        return await service_account_kubeconfig(self.api, self.cluster, folder, who, {})

    async def create_pool(self, name: str, variables: dict[str, str], **spec: Any) -> None:
        """Create a pool of real runners."""
        environment = {
            key: value for key, value in self.environment.items() if key != "KUBECONFIG"
        } | variables
        container = {
            "name": "runner",
            "image": "runs-as-a-process",
            "env": [{"name": key, "value": value} for key, value in environment.items()],
        }
        template = {"spec": {"serviceAccountName": "runner", "containers": [container]}}
        body = {
            "apiVersion": "wherry.dev/v1",
            "kind": "RunnerPool",
            "metadata": {"name": name},
            "spec": {"maxRunners": 1, "idleSeconds": 300, "template": template, **spec},
        }
        await self.api.create(POOLS, self.namespace, body)

    def _scrape(self, port: int, component: str, instance: str) -> None:
        self.targets.append(Target(port, self._labels(component, instance)))

    def _labels(self, component: str, instance: str) -> dict[str, str]:
        return {"namespace": self.namespace, "component": component, "instance": instance}

    def all_targets(self) -> list[Target]:
        """Return what is to be scraped now, because runners come and go."""
        runners = [
            Target(each.health_port, self._labels("runner", each.name))
            for each in self.node.running()
        ]
        return [*self.targets, *runners]


@pytest.fixture
async def world(
    api: Api,
    cluster: Cluster,
    namespace: str,
    bucket: Bucket,
    own_redis_server: RedisServer,
    processes: ProcessGroup,
) -> AsyncIterator[World]:
    """Files in the store, and permissions for runners. Only the process node runs yet."""
    await bucket.put_files(FILES)
    await create_service_account(api, namespace, "runner")
    await grant(api, (namespace, "runner"), RUNNER_RULES, namespace=namespace)
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "WHERRY_NAMESPACE": namespace,
        "WHERRY_DEFAULT_TENANT": namespace,
        **redis_environment(own_redis_server),
        **bucket.environment,
    }
    async with process_node(api, cluster, processes.folder, [namespace]) as node:
        yield World(api, cluster, namespace, bucket, own_redis_server, environment, processes, node)
        start_redis(own_redis_server.state)


@pytest.fixture
async def prometheus(world: World, tmp_path: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes all running components."""
    with running_prometheus(tmp_path / "prometheus") as (server, scrape):

        async def follow() -> None:
            written: list[Target] = []
            while True:
                wanted = world.all_targets()
                if wanted != written:
                    scrape(wanted)
                    written = wanted
                await asyncio.sleep(0.3)

        task = asyncio.create_task(follow())
        yield server
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def http(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client that uses no proxy for loopback."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client
