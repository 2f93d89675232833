"""Measures ``POST /v1/download/initiate`` and the status, beside what they stand on.

``python -m tests.bench.api`` sends a burst of requests from 64 clients, in one run, to: a bare
FastAPI route that does nothing, the bare API server (the same job, created directly), initiate, and
status. The API server, Redis and wherry-api are processes of this machine; the client is this one.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvloop
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config

from localcluster import ports
from tests.harness.cluster import running_cluster
from tests.harness.processes import answers, base_environment, component_process
from tests.harness.waiting import eventually_blocking

JOBS = "/apis/wherry.dev/v1/namespaces/default/downloadjobs"
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
Request = Callable[[int], Awaitable[int]]


async def burst(request: Request, count: int, clients: int) -> dict[str, Any]:
    """Send ``count`` requests from ``clients`` clients that each wait for their answers."""
    delays: list[float] = []
    failures = 0
    numbers = iter(range(count))

    async def one_client() -> None:
        nonlocal failures
        for number in numbers:
            began = time.perf_counter()
            status = await request(number)
            delays.append(time.perf_counter() - began)
            failures += status not in {200, 201}

    began = time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(clients)))
    took = time.perf_counter() - began
    quantiles = statistics.quantiles(delays, n=100)
    return {
        "per_second": round(count / took),
        "p50_ms": round(quantiles[49] * 1000, 1),
        "p99_ms": round(quantiles[98] * 1000, 1),
        "max_ms": round(max(delays) * 1000, 1),
        "failures": failures,
    }


def manifest() -> dict[str, Any]:
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "DownloadJob",
        "metadata": {"name": str(uuid.uuid4())},
        "spec": {"fileIDs": ["70000", "70001", "70002"], "pool": "default"},
    }


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def measure(
    options: argparse.Namespace,
    no_op: tuple[str, psutil.Process],
    api: tuple[str, psutil.Process],
    kubeconfig: Path,
) -> dict[str, Any]:
    (no_op_url, no_op_process), (api_url, api_process) = no_op, api
    configuration = kubernetes_client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(kubeconfig), client_configuration=configuration
    )
    connection = kubernetes_client.ApiClient(configuration)
    custom = kubernetes_client.CustomObjectsApi(connection)
    connector = aiohttp.TCPConnector(limit=0, ssl=connection.rest_client.ssl_context)
    names: list[str] = []
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(url: str, body: Any) -> int:
            async with session.post(url, json=body) as answer:
                await answer.read()
                return answer.status

        async def direct(_: int) -> int:
            return await post(f"{configuration.host}{JOBS}", manifest())

        async def generated(_: int) -> int:
            await custom.create_namespaced_custom_object(
                "wherry.dev", "v1", "default", "downloadjobs", manifest()
            )
            return 201

        async def initiate(_: int) -> int:
            body = {"file_ids": [70000, 70001, 70002]}
            async with session.post(f"{api_url}/v1/download/initiate", json=body) as answer:
                document = await answer.json()
                names.append(document.get("jobId", ""))
                return answer.status

        async def status(number: int) -> int:
            name = names[number % len(names)]
            async with session.get(f"{api_url}/v1/download/status/{name}") as answer:
                await answer.read()
                return answer.status

        requests: dict[str, Request] = {
            "bare FastAPI no-op": lambda _: post(f"{no_op_url}/", {}),
            "bare API server, plain request": direct,
            "bare API server, generated client": generated,
            "POST initiate": initiate,
            "GET status, from the resource": status,
        }
        results = {}
        for name, request in requests.items():
            await burst(request, options.clients * 2, options.clients)
            process = no_op_process if "no-op" in name else api_process
            before = cpu_seconds(process)
            results[name] = await burst(request, options.requests, options.clients)
            # Says more than the clock does on a machine that others work on too.
            used = (cpu_seconds(process) - before) / options.requests * 1000
            results[name]["server_cpu_ms"] = round(used, 2)
    await connection.close()  # type: ignore[no-untyped-call]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=64)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running_cluster(folder / "cluster"))
        redis_port, api_port, no_op_port = (ports.free_port() for _ in range(3))
        redis = subprocess.Popen(
            ["redis-server", "--port", str(redis_port), "--save", ""], stdout=subprocess.DEVNULL
        )
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        bare = subprocess.Popen(
            [sys.executable, "-c", NO_OP, str(no_op_port)], env=base_environment()
        )
        stack.callback(bare.wait)
        stack.callback(bare.kill)
        api_url = f"http://127.0.0.1:{api_port}"
        environment = {
            "KUBECONFIG": str(cluster.kubeconfig),
            "REDIS_PORT": str(redis_port),
            "WHERRY_HTTP_PORT": str(api_port),
            "WHERRY_SOURCE_BUCKET": "bench",
            "WHERRY_ARCHIVE_BUCKET": "bench",
            "WHERRY_RATE_LIMIT_REQUESTS": "0",
            "WHERRY_LOG_LEVEL": "warning",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        server = stack.enter_context(
            component_process("wherry-api", environment, folder, ready_url=f"{api_url}/health")
        )
        no_op_url = f"http://127.0.0.1:{no_op_port}"
        eventually_blocking("the no-op to answer", lambda: answers(f"{no_op_url}/health"))
        results = uvloop.run(
            measure(
                options,
                (no_op_url, psutil.Process(bare.pid)),
                (api_url, psutil.Process(server.pid)),
                cluster.kubeconfig,
            )
        )
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
