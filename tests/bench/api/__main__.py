"""Measures ``POST /v1/download/initiate`` and the status, and compares them with simpler requests.

``python -m tests.bench.api`` sends bursts of requests from 64 clients, row by row, to: a
FastAPI route that does nothing, the bare API server (a ConfigMap and a job, created directly),
initiate, and the status from Redis and from the resource. The API server, etcd, Redis, wherry-api
and the client are processes of this machine. For each row, it prints the burst with the
median p99, and CPU seconds per 1,000 requests by process. ``--older DIRECTORY`` also measures the
API of another checkout.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from tests.bench.api import requests
from tests.bench.api.client import Burst, Target, burst
from tests.bench.api.figures import Figures, figures, table
from tests.bench.api.stack import Stack, running_stack
from wherry_core.job_snapshot import JobSnapshot, JobStatus
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_states
from wherry_core.settings import RedisSettings

Send = Callable[[Target, list[bytes], bool], Burst]
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    api: str | None
    """Name of the API whose CPU time is reported."""
    target: Target
    make: Callable[[], list[bytes]]
    """Return the requests of a burst."""


async def publish(port: int, names: list[str], step: int) -> None:
    """Publish a snapshot of a running job for each of ``names``: its progress number ``step``."""
    now = datetime.now(UTC)
    redis = redis_client.connect(RedisSettings.model_validate({"REDIS_PORT": port}))
    for name in names:
        snapshot = JobSnapshot(
            namespace="default",
            name=name,
            uid=name,
            status=JobStatus.PROCESSING,
            attempt=1,
            step=step,
            total_files=3,
            created_at=LATER,
            # New in each burst, as for a running job, so that the API does not read the resource.
            updated_at=now,
            pool="default",
        )
        await job_states.publish(redis, snapshot, 3_600)
    await redis.aclose()


def rows_of(stack: Stack, count: int, send: Send) -> list[Row]:
    """Create the jobs whose status is requested; return all rows."""
    server = urlsplit(stack.cluster.url)
    direct = Target(str(server.hostname), int(server.port or 443), stack.cluster.ca.decode())
    token = {"Authorization": f"Bearer {stack.token}"}
    jobs = "/apis/wherry.dev/v1/namespaces/default/downloadjobs"
    config_maps = "/api/v1/namespaces/default/configmaps"

    def repeated(method: str, path: str, body: object = None) -> Callable[[], list[bytes]]:
        return lambda: [requests.request(method, path, body)] * count

    def creates(path: str, body: Callable[[], object]) -> Callable[[], list[bytes]]:
        return lambda: [requests.request("POST", path, body(), token) for _ in range(count)]

    def statuses(names: list[str]) -> Callable[[], list[bytes]]:
        asked = [requests.request("GET", f"/v1/download/status/{name}") for name in names]
        return lambda: (asked * (count // len(asked) + 1))[:count]

    def progressing(names: list[str]) -> Callable[[], list[bytes]]:
        steps = itertools.count(1)

        def make() -> list[bytes]:
            asyncio.run(publish(stack.redis_port, names, next(steps)))
            return statuses(names)()

        return make

    rows = [
        Row(
            "FastAPI no-op",
            "no-op",
            Target("127.0.0.1", stack.no_op_port),
            repeated("POST", "/", {}),
        ),
        Row("kube-apiserver, a ConfigMap", None, direct, creates(config_maps, requests.config_map)),
        Row("kube-apiserver, a DownloadJob", None, direct, creates(jobs, requests.job)),
    ]
    initiate = repeated("POST", "/v1/download/initiate", {"file_ids": requests.FILE_IDS})
    for api, port in stack.api_ports.items():
        target = Target("127.0.0.1", port)
        answers = send(target, initiate()[:200], True).bodies
        names = [str(orjson.loads(answer)["jobId"]) for answer in answers]
        note = "" if api == "api" else f" ({api})"
        rows += [
            Row(f"POST initiate{note}", api, target, initiate),
            Row(f"GET status, from Redis{note}", api, target, progressing(names[:100])),
            Row(f"GET status, from the resource{note}", api, target, statuses(names[100:])),
        ]
    return rows


def measure(stack: Stack, row: Row, send: Send) -> Figures:
    """Send one burst and return its results."""
    made = row.make()
    parts = {"kube-apiserver": "kube-apiserver", "etcd": "etcd"}
    if row.api is not None:
        parts["api"] = row.api

    def cpu() -> dict[str, float]:
        times = {part: stack.processes[name].cpu_times() for part, name in parts.items()}
        return {part: each.user + each.system for part, each in times.items()}

    before = cpu()
    seen = send(row.target, made, False)
    used = {part: seconds - before[part] for part, seconds in cpu().items()}
    used["client"] = seen.cpu_seconds
    failures = sum(count for status, count in seen.statuses.items() if status not in {200, 201})
    return figures(seen.delays, seen.seconds, failures, used)


def main() -> None:
    """Run the bench and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000, help="requests of a burst")
    parser.add_argument("--clients", type=int, default=64, help="connections")
    parser.add_argument("--rounds", type=int, default=5, help="bursts of each row")
    parser.add_argument("--older", type=Path, help="another checkout, to compare with")
    parser.add_argument("--only", help="rows whose name contains this")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the API"
    )
    options = parser.parse_args()
    settings = dict(each.split("=", 1) for each in options.set)
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
        running_stack(Path(folder), options.older, settings) as stack,
    ):

        def send(target: Target, made: list[bytes], keep_bodies: bool) -> Burst:
            return pool.submit(burst, target, made, options.clients, keep_bodies).result()

        rows = rows_of(stack, options.requests, send)
        if options.only:
            rows = [row for row in rows if options.only in row.name]
        seen: dict[str, list[Figures]] = {row.name: [] for row in rows}
        # The first round is a warm-up and is not measured.
        for number in range(options.rounds + 1):
            for row in rows:
                result = measure(stack, row, send)
                if number:
                    seen[row.name].append(result)
        print(f"{options.clients} clients, {options.rounds} bursts of {options.requests:,}:\n")
        print(table(seen))


if __name__ == "__main__":
    main()
