"""The system behind the page: API, operator and runners as processes, on real servers."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from localcluster import ports
from localcluster.redisserver import Redis as RedisServer
from localcluster.stores import Store
from tests.browser.slow_link import SlowLink, slow_link
from tests.harness.buckets import fresh_bucket
from tests.harness.cluster import REPOSITORY, Cluster
from tests.harness.processes import ComponentProcess, component_process, health_variables
from tests.harness.tenants import RUNNER_RULES
from tests.harness.waiting import eventually_blocking

NAMESPACE: Final = "page"
SMALL_FILES: Final = tuple(str(number) for number in range(70_000, 70_012))
LARGE_FILES: Final = tuple(str(number) for number in range(80_000, 80_060))
LARGE_FILE_BYTES: Final = 1_000_000
FAST: Final = 200_000_000
SLOW: Final = 5_000_000
"""Bytes a second; the large files together take twelve seconds."""


SMALL_PARTS: Final = {"WHERRY_ARCHIVE_PART_MIB": "5", "WHERRY_ARCHIVE_CONNECTIONS": "2"}
"""A runner reports progress after every stored part: small parts give a dozen reports."""


@dataclass(frozen=True)
class System:
    """Handles to the running system."""

    url: str
    api: ComponentProcess
    redis: redis.Redis
    link: SlowLink
    cluster: Cluster
    folder: Path
    environment: Mapping[str, str]
    """Environment of an API process, except WHERRY_HTTP_PORT."""

    @contextmanager
    def another_api(self, **variables: str) -> Iterator[str]:
        """Run another API process with other settings and yield its URL."""
        port = ports.free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {**self.environment, "WHERRY_HTTP_PORT": str(port), **variables}
        with component_process(
            "wherry-api", environment, self.folder, name=f"api-{port}", ready_url=f"{url}/health"
        ):
            yield url

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the tenant's namespace."""
        return self.cluster.kubectl("--namespace", NAMESPACE, *words)

    def set_pool(self, **spec: Any) -> None:
        """Patch the pool's spec, for example ``paused`` or ``maxRunners``."""
        patch = json.dumps({"spec": spec})
        self.kubectl("patch", "runnerpool", "default", "--type=merge", "--patch", patch)

    def jobs(self) -> list[dict[str, Any]]:
        """Return all DownloadJobs."""
        found = json.loads(self.kubectl("get", "downloadjobs", "--output=json"))
        return list(found["items"])

    def delete_jobs(self) -> None:
        """Delete all DownloadJobs, so that the next test starts with an empty list."""
        self.kubectl("delete", "downloadjobs", "--all", "--wait=false")
        eventually_blocking("all jobs to be gone", lambda: not self.jobs())


def objects(environment: dict[str, str]) -> list[dict[str, Any]]:
    """Return the namespace, the permissions and the pool."""
    account = {"name": "runner", "namespace": NAMESPACE}
    rbac = "rbac.authorization.k8s.io"
    container = {
        "name": "runner",
        "image": "runs-as-a-process",
        "command": ["wherry-jobrunner"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": account,
            "rules": RUNNER_RULES,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": account,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "runner"},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
        {
            "apiVersion": "wherry.dev/v1",
            "kind": "RunnerPool",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": {
                "minRunners": 1,
                "maxRunners": 1,
                "concurrency": 2,
                "template": {
                    "spec": {"serviceAccountName": "runner", "containers": [container]},
                },
            },
        },
    ]


def sources() -> dict[str, bytes]:
    """Return the source files by id."""
    small = {name: f"file {name}\n".encode() * 300 for name in SMALL_FILES}
    large = {name: name[-1].encode() * LARGE_FILE_BYTES for name in LARGE_FILES}
    return small | large


@contextmanager
def running_system(
    cluster: Cluster, server: RedisServer, store: Store, folder: Path
) -> Iterator[System]:
    """Run the system while the context is open."""
    bucket = fresh_bucket(store)
    asyncio.run(bucket.put_files(sources()))
    shared = {
        "REDIS_HOST": server.host,
        "REDIS_PORT": str(server.port),
        "REDIS_PASSWORD": server.password,
        "WHERRY_NAMESPACE": NAMESPACE,
        **bucket.environment,
    }
    with ExitStack() as stack:
        link = stack.enter_context(slow_link(store.endpoint, FAST))
        file = folder / "objects.json"
        runner = shared | {"WHERRY_S3_ENDPOINT_URL": link.url, **SMALL_PARTS}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(runner)}))
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(file))
        admin = shared | {"KUBECONFIG": str(cluster.kubeconfig)}
        health, health_url = health_variables()
        stack.enter_context(
            component_process(
                "wherry-operator",
                admin | health | {"WHERRY_LEADER_ELECTION": "false"},
                folder,
                ready_url=f"{health_url}/readyz",
            )
        )
        stack.enter_context(
            component_process(
                Path(sys.executable).name,
                {"PYTHONPATH": f"{REPOSITORY / 'hack'}:{REPOSITORY}"},
                folder,
                name="process-node",
                arguments=[
                    *("-m", "tests.harness.process_node"),
                    *("--kubeconfig", str(cluster.kubeconfig)),
                    *("--namespace", NAMESPACE),
                    *("--folder", str(folder / "runners")),
                ],
            )
        )
        environment = {
            **admin,
            "WHERRY_DEFAULT_TENANT": NAMESPACE,
            "WHERRY_RATE_LIMIT_REQUESTS": "0",
            "WHERRY_SHUTDOWN_DELAY_SECONDS": "0",
            "WHERRY_DRAIN_SECONDS": "0",
        }
        port = ports.free_port()
        url = f"http://127.0.0.1:{port}"
        api = stack.enter_context(
            component_process(
                "wherry-api",
                environment | {"WHERRY_HTTP_PORT": str(port)},
                folder,
                ready_url=f"{url}/health",
            )
        )
        client = redis.Redis(
            host=server.host, port=server.port, password=server.password, decode_responses=True
        )
        stack.callback(client.close)
        yield System(url, api, client, link, cluster, folder, environment)
