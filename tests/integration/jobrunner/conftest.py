"""Starting real runners against the real servers; jobs are queued by the tests themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.api import Api
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.jobs import create_job, queue_job
from tests.harness.processes import ComponentProcess, ProcessGroup, health_variables
from tests.harness.tenants import RUNNER_RULES, service_account_kubeconfig
from wherry_core.redis.client import Redis
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import DownloadJob

StartRunner = Callable[..., ComponentProcess]
ME: Final = "default-runner-0"
"""Name of the runner that ``start_runner`` starts unless another one is given."""


def runner_id(name: str = ME) -> RunnerId:
    """Return the identity of a runner that ``start_runner`` starts."""
    return RunnerId(name, f"uid-of-{name}")


@dataclass(frozen=True)
class Room:
    """A tenant's namespace, an empty Redis and a bucket with three files."""

    api: Api
    redis: Redis
    bucket: Bucket
    namespace: str
    kubeconfig: Path

    async def queue(self, *file_ids: str, **spec: Any) -> DownloadJob:
        """Create a job and queue it in the operator's stead."""
        job = await create_job(self.api, self.namespace, file_ids or ("1", "2", "3"), **spec)
        return await queue_job(self.api, self.redis, job)

    def folder(self, job: DownloadJob, attempt: int) -> str:
        """Key prefix of one attempt."""
        return f"archives/{self.namespace}/{job.metadata.uid}/{attempt}/"


@pytest.fixture
async def room(
    api: Api,
    cluster: Cluster,
    redis: Redis,
    bucket: Bucket,
    namespace: str,
    processes: ProcessGroup,
) -> Room:
    await bucket.put_files({"1": b"one\n" * 1_000, "2": b"two", "3": b""})
    kubeconfig = await service_account_kubeconfig(
        api, cluster, processes.folder, (namespace, "runner"), {namespace: RUNNER_RULES}
    )
    return Room(api, redis, bucket, namespace, kubeconfig)


@pytest.fixture
def start_runner(room: Room, processes: ProcessGroup, redis_env: dict[str, str]) -> StartRunner:
    """Call it with a name and further variables for a real runner, which is ready unless
    ``wait`` is False."""

    def start(name: str = ME, *, wait: bool = True, **variables: str) -> ComponentProcess:
        health, url = health_variables()
        environment = {
            "KUBECONFIG": str(room.kubeconfig),
            "WHERRY_RUNNER_NAME": name,
            "WHERRY_RUNNER_UID": runner_id(name).uid,
            **redis_env,
            **room.bucket.environment,
            **health,
            **variables,
        }
        return processes.start(
            "wherry-jobrunner", environment, name=name, ready_url=f"{url}/readyz" if wait else ""
        )

    return start


def delay(seconds: float) -> dict[str, str]:
    """Variables that make every job take so long."""
    milliseconds = str(int(seconds * 1_000))
    return {
        "DOWNLOAD_DELAY_ENABLED": "true",
        "DOWNLOAD_DELAY_MIN_MS": milliseconds,
        "DOWNLOAD_DELAY_MAX_MS": milliseconds,
    }
