"""The operator as a process of its own, with real servers around it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.harness import tenants
from tests.harness.api import POOLS, Api, Resource
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.fault_proxy import FaultProxy, fault_proxy
from tests.harness.history import JobHistory
from tests.harness.model import Facts, broken_promises
from tests.harness.processes import (
    ComponentProcess,
    ProcessGroup,
    answers,
    health_variables,
)
from tests.harness.waiting import eventually
from tests.integration.operator.played_runner import PlayedRunner
from wherry_core.redis.client import Redis

RELEASE_RULES: list[Resource] = [
    {"apiGroups": ["wherry.dev"], "resources": ["runnerpools"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["wherry.dev"], "resources": ["runnerpools/status"], "verbs": ["patch"]},
    {
        "apiGroups": [""],
        "resources": ["pods"],
        "verbs": ["get", "list", "watch", "create", "delete"],
    },
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "update"],
    },
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "list", "patch"]},
]
"""The tables of docs/operator.md."""
TENANT_RULES: list[Resource] = [
    {
        "apiGroups": ["wherry.dev"],
        "resources": ["downloadjobs"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": ["wherry.dev"], "resources": ["downloadjobs/status"], "verbs": ["patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "list", "patch"]},
]


@dataclass
class Operated:
    """A namespace with a pool in it and an operator that serves it."""

    api: Api
    redis: Redis
    bucket: Bucket
    namespace: str
    environment: dict[str, str]
    processes: ProcessGroup
    operators: list[ComponentProcess] = field(default_factory=list)

    def start_operator(self, *, wait: bool = True, **environment: str) -> ComponentProcess:
        """Start an operator, or one more, and wait until its cache is loaded."""
        health, url = health_variables()
        process = self.processes.start(
            "wherry-operator",
            {**self.environment, **health, **environment},
            name=f"operator-{len(self.operators)}",
            ready_url=f"{url}/readyz" if wait else "",
        )
        process.ready_url = f"{url}/readyz"
        self.operators.append(process)
        return process

    async def start_behind(self, **environment: str) -> ComponentProcess:
        """Start an operator behind a proxy of this event loop, which must not be blocked."""
        process = self.start_operator(wait=False, **environment)
        await eventually("the operator to be ready", lambda: answers(process.ready_url))
        return process

    @property
    def operator(self) -> ComponentProcess:
        """The operator that was started last."""
        return self.operators[-1]

    async def create_pool(self, name: str = "default", **spec: Any) -> Resource:
        """Create a pool whose runners only the test starts."""
        body = {
            "apiVersion": "wherry.dev/v1",
            "kind": "RunnerPool",
            "metadata": {"name": name},
            "spec": {
                "idleSeconds": 60,
                "template": {"spec": {"containers": [{"name": "runner", "image": "wherry"}]}},
                **spec,
            },
        }
        return await self.api.create(POOLS, self.namespace, body)

    def runner(self, name: str = "default-runner-0", pool: str = "default") -> PlayedRunner:
        """Return a runner, and its pod's kubelet, that the test plays."""
        return PlayedRunner(self.api, self.redis, self.namespace, pool, name)


@pytest.fixture
def operated(
    cluster: Cluster,
    api: Api,
    redis: Redis,
    redis_env: dict[str, str],
    versitygw_bucket: Bucket,
    namespace: str,
    job_history: JobHistory,
    processes: ProcessGroup,
) -> Iterator[Operated]:
    """Everything for an operator, which the test starts itself.

    After the test the history of all its jobs is held against the model.
    """
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "WHERRY_NAMESPACE": namespace,
        "WHERRY_LEADER_ELECTION": "false",
        **redis_env,
        **versitygw_bucket.environment,
    }
    yield Operated(api, redis, versitygw_bucket, namespace, environment, processes)
    history = Facts(
        asked={}, changes=tuple(job_history.changes), jobs=(), store=versitygw_bucket.settings
    )
    assert broken_promises(history) == []


@pytest.fixture
async def proxy(operated: Operated, cluster: Cluster) -> AsyncIterator[FaultProxy]:
    """Put a proxy between the operator and the API server; tests and runners do not use it."""
    account = (operated.namespace, "operator")
    await tenants.create_service_account(operated.api, *account)
    rules = [*RELEASE_RULES, *TENANT_RULES]
    await tenants.grant(operated.api, account, rules, namespace=operated.namespace)
    token = await tenants.request_token(operated.api, *account)
    async with fault_proxy(cluster) as running:
        path = cluster.token_kubeconfig(
            operated.processes.folder / "operator.kubeconfig",
            namespace=operated.namespace,
            token=token,
            server=running.url,
        )
        operated.environment["KUBECONFIG"] = str(path)
        yield running
