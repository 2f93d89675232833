"""What the bench measures: a control plane, Redis, wherry-api and a no-op, each a process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from localcluster import ports
from tests.harness.api import Api
from tests.harness.cluster import REPOSITORY, Cluster, running_cluster
from tests.harness.processes import answers, base_environment, component_process
from tests.harness.tenants import create_service_account, grant, request_token
from tests.harness.waiting import eventually_blocking

NO_OP = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/")
async def no_op() -> dict[str, str]:
    return {"jobId": "x"}
@app.get("/health")
async def health() -> dict[str, str]:
    return {}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
            access_log=False, log_level="warning")
"""
RULES = [
    {"apiGroups": ["wherry.dev"], "resources": ["downloadjobs"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
]


@dataclass(frozen=True)
class Stack:
    """Everything that runs."""

    cluster: Cluster
    token: str
    redis_port: int
    no_op_port: int
    api_ports: dict[str, int]
    """Ports of the measured API and of the older one, by name."""
    processes: dict[str, psutil.Process]
    """All processes, by name."""


async def _token(cluster: Cluster, owner: tuple[str, str]) -> str:
    async with await Api.connect(cluster.kubeconfig) as api:
        return await _granted(api, owner)


async def _granted(api: Api, owner: tuple[str, str]) -> str:
    await create_service_account(api, *owner)
    await grant(api, owner, RULES, namespace=owner[0])
    return await request_token(api, *owner)


@contextmanager
def _process(words: list[str], environment: dict[str, str]) -> Iterator[int]:
    child = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        child.kill()
        child.wait()


@contextmanager
def running_stack(folder: Path, older: Path | None, settings: dict[str, str]) -> Iterator[Stack]:
    """Start everything; ``older`` is another checkout, whose API is measured too."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(folder / "cluster"))
        assert cluster.control_plane is not None
        # As in a pod: a token of a service account with its own rights, not an administrator.
        token = asyncio.run(_token(cluster, ("default", "wherry-api")))
        kubeconfig = cluster.token_kubeconfig(
            folder / "api.kubeconfig", namespace="default", token=token
        )
        redis_port, no_op_port = ports.free_port(), ports.free_port()
        environment = base_environment()
        words = ["redis-server", "--port", str(redis_port), "--save", ""]
        pids = dict(cluster.control_plane.pids())
        pids["redis"] = stack.enter_context(_process(words, environment))
        words = [sys.executable, "-c", NO_OP, str(no_op_port)]
        pids["no-op"] = stack.enter_context(_process(words, environment))
        api_ports = {}
        sources = {"api": REPOSITORY} | ({"older api": older} if older else {})
        for name, source in sources.items():
            api_ports[name] = ports.free_port()
            url = f"http://127.0.0.1:{api_ports[name]}"
            environment = {
                "PYTHONPATH": f"{source / 'api'}{os.pathsep}{source / 'core'}",
                "KUBECONFIG": str(kubeconfig),
                "REDIS_PORT": str(redis_port),
                "WHERRY_HTTP_PORT": str(api_ports[name]),
                "WHERRY_S3_ENDPOINT_URL": "http://127.0.0.1:9",
                "WHERRY_SOURCE_BUCKET": "bench",
                "WHERRY_ARCHIVE_BUCKET": "bench",
                "WHERRY_RATE_LIMIT_REQUESTS": "0",
                "WHERRY_LOG_LEVEL": "warning",
                "AWS_ACCESS_KEY_ID": "bench",
                "AWS_SECRET_ACCESS_KEY": "bench",
                **settings,
            }
            server = stack.enter_context(
                component_process(
                    "wherry-api", environment, folder, name=name, ready_url=f"{url}/health"
                )
            )
            pids[name] = server.pid
        url = f"http://127.0.0.1:{no_op_port}/health"
        eventually_blocking("the no-op to answer", lambda: answers(url))
        processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        yield Stack(cluster, token, redis_port, no_op_port, api_ports, processes)
