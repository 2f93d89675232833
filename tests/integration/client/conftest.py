"""The API as a process, with simulated jobs or with the operator and real runners behind it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from localcluster import ports
from tests.harness.api import POOLS, Api
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.jobs import patch_status, queue_job
from tests.harness.process_node import process_node
from tests.harness.processes import ComponentProcess, ProcessGroup, health_variables
from tests.harness.tenants import RUNNER_RULES, create_service_account, grant
from tests.integration.client.fault_proxy import FaultProxy, fault_proxy
from wherry_client import Job, WherryClient
from wherry_core.job_snapshot import JobStatus as WireStatus
from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob
from wherry_core.resources.base import format_time


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to download into."""
    path = tmp_path / "downloads"
    path.mkdir()
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


StartApi = Callable[..., ComponentProcess]
MakeProxy = Callable[[int], Awaitable[FaultProxy]]


@pytest.fixture(autouse=True)
def _straight_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")


@pytest.fixture
def component_environment(
    cluster: Cluster, redis: Redis, redis_env: dict[str, str], bucket: Bucket, namespace: str
) -> dict[str, str]:
    """The environment that all components of a test share."""
    return {
        "KUBECONFIG": str(cluster.kubeconfig),
        "WHERRY_NAMESPACE": namespace,
        "WHERRY_DEFAULT_TENANT": namespace,
        **redis_env,
        **bucket.environment,
    }


@pytest.fixture
def start_api(component_environment: dict[str, str], processes: ProcessGroup) -> StartApi:
    """Return a function that starts a ready API; its arguments are further variables."""

    def start(**variables: str) -> ComponentProcess:
        port = ports.free_port()
        environment = {
            **component_environment,
            "WHERRY_HTTP_PORT": str(port),
            "WHERRY_SHUTDOWN_DELAY_SECONDS": "0",
            "WHERRY_DRAIN_SECONDS": "1",
            **variables,
        }
        url = f"http://127.0.0.1:{port}/health"
        return processes.start("wherry-api", environment, name=f"api-{port}", ready_url=url)

    return start


def port_of(api: ComponentProcess) -> int:
    return urlsplit(api.ready_url).port or 0


def url_of(api: ComponentProcess) -> str:
    return f"http://127.0.0.1:{port_of(api)}"


@pytest.fixture
async def make_proxy() -> AsyncIterator[MakeProxy]:
    """Return a function that starts a proxy in front of a port."""
    open_proxies = []

    async def make(port: int) -> FaultProxy:
        context = fault_proxy(port)
        open_proxies.append(context)
        return await context.__aenter__()

    yield make
    for context in reversed(open_proxies):
        await context.__aexit__(None, None, None)


@dataclass
class SimulatedJob:
    """A job whose operator and runner the test simulates."""

    api: Api
    redis: Redis
    bucket: Bucket
    job: DownloadJob
    step: int = 0

    @classmethod
    async def adopt(
        cls, api: Api, redis: Redis, bucket: Bucket, namespace: str, job: Job
    ) -> "SimulatedJob":
        """Queue a job that a client has submitted."""
        body = await api.get("wherry.dev/v1/downloadjobs", namespace, job.job_id)
        queued = await queue_job(api, redis, DownloadJob.model_validate(body))
        return cls(api, redis, bucket, queued)

    async def progress(self, percent: int, files: int) -> None:
        """Report progress to Redis, as a runner does."""
        self.step += 1
        state = snapshot_of(self.job).model_copy(
            update={
                "status": WireStatus.PROCESSING,
                "attempt": 1,
                "step": self.step,
                "progress": percent,
                "completed_files": files,
                "updated_at": datetime.now(UTC),
            }
        )
        await job_states.publish(self.redis, state, 3_600)

    async def complete(self, archive: bytes = b"PK", name: str = "files.zip") -> None:
        """Store an archive and complete the job."""
        key = f"archives/{self.job.metadata.namespace}/{self.job.metadata.uid}/1/{name}"
        async with self.bucket.connect() as store:
            await store.put_object(Bucket=self.bucket.name, Key=key, Body=archive)
        await self._end(
            phase="Completed",
            progress=100,
            files={"total": 3, "completed": 3, "skipped": 0},
            archive={
                "bucket": self.bucket.name,
                "key": key,
                "name": name,
                "size": len(archive),
            },
        )

    async def fail(self, message: str) -> None:
        """Fail the job for good."""
        moment = format_time(datetime.now(UTC))
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": "FileMissing",
            "message": message,
            "lastTransitionTime": moment,
        }
        await self._end(phase="Failed", conditions=[condition])

    async def _end(self, **status: object) -> None:
        ended = await patch_status(
            self.api, self.job, completionTime=format_time(datetime.now(UTC)), **status
        )
        await job_states.publish(self.redis, snapshot_of(ended), 3_600)


SimulateJob = Callable[[WherryClient], Awaitable[SimulatedJob]]


@pytest.fixture
def simulate_job(api: Api, redis: Redis, bucket: Bucket, namespace: str) -> SimulateJob:
    """Return a function that submits and queues a job, which the test then drives."""

    async def simulate(client: WherryClient) -> SimulatedJob:
        job = await client.submit(["a", "b", "c"], archive_name="files.zip")
        return await SimulatedJob.adopt(api, redis, bucket, namespace, job)

    return simulate


def archive_of(size: int) -> bytes:
    """Return random bytes, so that a misplaced part is noticed."""
    return secrets.token_bytes(size)


@dataclass(frozen=True)
class Wherry:
    """API, operator and runners, all real."""

    url: str
    bucket: Bucket


@asynccontextmanager
async def _runners(
    api: Api, cluster: Cluster, folder: Path, namespace: str, environment: dict[str, str]
) -> AsyncIterator[None]:
    await create_service_account(api, namespace, "runner")
    await grant(api, (namespace, "runner"), RUNNER_RULES, namespace=namespace)
    variables = [
        {"name": name, "value": value}
        for name, value in environment.items()
        if name != "KUBECONFIG"
    ]
    container = {"name": "runner", "image": "none", "env": variables}
    template = {"spec": {"serviceAccountName": "runner", "containers": [container]}}
    pool = {
        "apiVersion": "wherry.dev/v1",
        "kind": "RunnerPool",
        "metadata": {"name": "default"},
        "spec": {"maxRunners": 1, "template": template},
    }
    await api.create(POOLS, namespace, pool)
    async with process_node(api, cluster, folder, [namespace]):
        yield


@pytest.fixture
async def wherry(
    api: Api,
    cluster: Cluster,
    namespace: str,
    bucket: Bucket,
    component_environment: dict[str, str],
    start_api: StartApi,
    processes: ProcessGroup,
) -> AsyncIterator[Wherry]:
    """The whole of Wherry, with an empty bucket."""
    health, health_url = health_variables()
    async with _runners(api, cluster, processes.folder, namespace, component_environment):
        server = start_api()
        await asyncio.to_thread(
            processes.start,
            "wherry-operator",
            {**component_environment, **health, "WHERRY_LEADER_ELECTION": "false"},
            ready_url=f"{health_url}/readyz",
        )
        yield Wherry(url_of(server), bucket)
