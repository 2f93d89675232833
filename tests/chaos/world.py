"""The system under test: real servers, two operators, the API, and real runners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from localcluster import ports
from localcluster.stores import Store
from tests.chaos.links import LinkMaker
from tests.harness import tenants
from tests.harness.api import POOLS, Api
from tests.harness.buckets import Bucket, fresh_bucket
from tests.harness.cluster import Cluster
from tests.harness.etcd_history import history_in_etcd
from tests.harness.fault_proxy import FaultProxy, fault_proxy
from tests.harness.history import JobHistory
from tests.harness.model import Answers
from tests.harness.process_node import ProcessNode, process_node
from tests.harness.processes import ComponentProcess, ProcessGroup, fetch, health_variables
from tests.harness.redis_pair import RedisPair
from tests.harness.waiting import eventually

CHANGING: Final = ("18", "19")
"""Files whose bytes a fault may replace; the second one is empty at first."""
FILES: Final = {str(number): f"file {number}\n".encode() * 40 for number in range(19)} | {"19": b""}
MISSING: Final = "no-such-file"


@dataclass(frozen=True)
class Times:
    """Settings that a short run makes smaller, in seconds."""

    heartbeat_timeout: float = 30
    lease: int = 12
    sweep: float = 60
    delay_ms: tuple[int, int] = (200, 4_000)
    """The simulated length of a job."""


@dataclass
class Replica:
    """One operator and its own way to the API server."""

    process: ComponentProcess
    proxy: FaultProxy

    @property
    def leads(self) -> bool:
        """Whether this operator acts now."""
        if not self.process.running:
            return False
        try:
            return "wherry_leader 1.0" in fetch(
                self.process.ready_url.replace("/readyz", "/metrics")
            )
        except OSError:
            return False


@dataclass
class World:
    """The running system, as tests use and break it."""

    api: Api
    cluster: Cluster
    namespace: str
    bucket: Bucket
    redis: RedisPair
    history: JobHistory
    node: ProcessNode
    links: LinkMaker
    replicas: list[Replica]
    client: httpx.AsyncClient
    """Of the running wherry-api."""
    times: Times
    crashes: list[str] = field(default_factory=list)
    """Unexpected exits of operators, each with the end of the log."""
    may_be_cancelled: set[str] = field(default_factory=set)
    """Jobs (``namespace/name``) that were cancelled."""
    deleted: set[str] = field(default_factory=set)
    """Jobs that were deleted."""
    unreadable: set[str] = field(default_factory=set)
    """Jobs of a newer release."""
    operator_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while operators are stopped and started."""
    api_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the API server is down."""
    store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the store is down or a source is replaced."""

    @property
    def store(self) -> Store:
        """The S3 store."""
        return self.bucket.store

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        plane = self.cluster.control_plane
        if plane is None or plane.audit_log is None:
            raise RuntimeError("the chaos tests need a control plane of their own")
        return plane.audit_log

    async def leaders(self) -> list[Replica]:
        """Return the replicas that act now: one, or none for a while."""
        leading = await asyncio.to_thread(lambda: [each.leads for each in self.replicas])
        return [each for each, leads in zip(self.replicas, leading, strict=True) if leads]

    async def leader(self, within: float = 60) -> Replica:
        """Wait until a replica acts and return it."""
        return (await eventually("an operator to lead", self.leaders, within=within))[0]

    async def restart_what_ends(self) -> None:
        """Restart operators that have ended by themselves, as a kubelet does."""
        while True:
            await asyncio.sleep(1)
            async with self.operator_lock:
                for each in self.replicas:
                    if not each.process.running:
                        self.crashes.append(
                            f"{each.process.name} ended with {each.process.exit_code}:\n"
                            f"{each.process.log_tail()}"
                        )
                        each.process.start()

    @asynccontextmanager
    async def no_operator(self) -> AsyncIterator[None]:
        """Kill all operators, and start them again when the context closes."""
        async with self.operator_lock:
            for each in self.replicas:
                each.process.kill()
            try:
                yield
            finally:
                for each in self.replicas:
                    each.process.start()

    async def answers(self, job: str) -> Answers:
        """Return how the API answers for a job, given by ``namespace/name`` or by name."""
        name = job.rpartition("/")[2]
        status = await self.client.get(f"/v1/download/status/{name}")
        download = await self.client.get(f"/v1/download/{name}")
        return Answers(status.status_code, download.status_code)

    async def set_pool(self, **spec: Any) -> None:
        """Change the pool."""
        await self.api.patch(POOLS, self.namespace, "default", {"spec": spec})


def pool_body(
    environment: dict[str, str], times: Times, grace_seconds: int, **spec: Any
) -> dict[str, Any]:
    """Return a pool whose runners use these servers."""
    least, most = times.delay_ms
    variables = environment | {
        "WHERRY_STOP_GRACE_SECONDS": "2",
        "DOWNLOAD_DELAY_ENABLED": "true" if most else "false",
        "DOWNLOAD_DELAY_MIN_MS": str(least),
        "DOWNLOAD_DELAY_MAX_MS": str(most),
    }
    container = {
        "name": "runner",
        "image": "runs-as-a-process",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    template = {
        "spec": {
            "serviceAccountName": "runner",
            "terminationGracePeriodSeconds": grace_seconds,
            "containers": [container],
        }
    }
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "RunnerPool",
        "metadata": {"name": "default"},
        "spec": {"idleSeconds": 2, "maxRunners": 3, "template": template, **spec},
    }


async def _start_replica(
    world_stack: AsyncExitStack,
    group: ProcessGroup,
    cluster: Cluster,
    token: str,
    environment: dict[str, str],
    name: str,
) -> Replica:
    proxy = await world_stack.enter_async_context(fault_proxy(cluster))
    kubeconfig = cluster.token_kubeconfig(
        group.folder / f"{name}.kubeconfig",
        namespace=environment["WHERRY_NAMESPACE"],
        token=token,
        server=proxy.url,
    )
    health, url = health_variables()
    process = await asyncio.to_thread(
        lambda: group.start(
            "wherry-operator", {**environment, **health, "KUBECONFIG": str(kubeconfig)}, name=name
        )
    )
    process.ready_url = f"{url}/readyz"
    return Replica(process, proxy)


async def _start_api(group: ProcessGroup, cluster: Cluster, environment: dict[str, str]) -> str:
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    own = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "WHERRY_HTTP_PORT": str(port),
        "WHERRY_DEFAULT_TENANT": environment["WHERRY_NAMESPACE"],
        "WHERRY_RATE_LIMIT_REQUESTS": "0",
    }
    await asyncio.to_thread(
        lambda: group.start("wherry-api", {**environment, **own}, ready_url=f"{url}/health")
    )
    return url


@asynccontextmanager
async def running_world(
    cluster: Cluster,
    redis: RedisPair,
    store: Store,
    folder: Path,
    times: Times,
    *,
    replicas: int = 2,
    redis_environment: dict[str, str] | None = None,
    runner_proxies: bool = True,
    grace_seconds: int = 10,
    operator: dict[str, str] | None = None,
    **pool: Any,
) -> AsyncIterator[World]:
    """Start everything and end it afterwards.

    ``redis_environment`` replaces the address of ``redis``. Without ``runner_proxies`` runners
    connect directly. ``operator`` are further variables of the operators, and ``pool`` further
    fields of the pool's spec.
    """
    group = ProcessGroup(folder)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await Api.connect(cluster.kubeconfig))
        namespace = await tenants.create_namespace(api, "chaos")
        bucket = fresh_bucket(store)
        await bucket.put_files(FILES)
        for account, rules in (
            ("runner", tenants.RUNNER_RULES),
            ("operator", tenants.OPERATOR_RULES),
        ):
            await tenants.create_service_account(api, namespace, account)
            await tenants.grant(api, (namespace, account), rules, namespace=namespace)
        servers = (redis_environment or redis.environment) | bucket.environment
        await api.create(POOLS, namespace, pool_body(servers, times, grace_seconds, **pool))
        plane = cluster.control_plane
        if plane is None:
            raise RuntimeError("the chaos tests need a control plane of their own")
        history = await stack.enter_async_context(history_in_etcd(plane.etcd_url, namespace))
        links = LinkMaker(stack)
        node = await stack.enter_async_context(
            process_node(
                api,
                cluster,
                folder / "runners",
                [namespace],
                connect=links.connect if runner_proxies else None,
            )
        )
        stack.callback(group.close)
        environment = {
            "WHERRY_NAMESPACE": namespace,
            "WHERRY_RELEASE": f"{namespace}/wherry",
            "WHERRY_LEASE_SECONDS": str(times.lease),
            "WHERRY_HEARTBEAT_TIMEOUT_SECONDS": str(times.heartbeat_timeout),
            "WHERRY_SWEEP_SECONDS": str(times.sweep),
            "WHERRY_LOG_LEVEL": "info",
            **servers,
            **(operator or {}),
        }
        token = await tenants.request_token(api, namespace, "operator")
        made = [
            await _start_replica(stack, group, cluster, token, environment, f"operator-{number}")
            for number in range(replicas)
        ]
        url = await _start_api(group, cluster, environment)
        # Ended first and in a thread: processes need the proxies to shut down in order.
        stack.push_async_callback(asyncio.to_thread, group.close)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)
        )
        world = World(
            api, cluster, namespace, bucket, redis, history, node, links, made, client, times
        )
        kubelet = asyncio.create_task(world.restart_what_ends())
        try:
            yield world
        finally:
            kubelet.cancel()
            await asyncio.gather(kubelet, return_exceptions=True)
