"""Measures jobs with very small files: ``python -m tests.bench.control_plane``.

First all jobs at once, to measure the rate; then some at a steady rate, to measure the time
from POST to Completed. Uses a real kube-apiserver and etcd, Redis, an S3 store, API, operator and
runners, all as processes of this machine on loopback.
"""

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster import ports
from localcluster.redisserver import start_redis
from localcluster.stores import start_store
from tests.bench.control_plane.costs import Used, api_calls, used
from tests.bench.control_plane.load import Completions, post_all
from tests.harness import tenants
from tests.harness.api import JOBS, POOLS, Api
from tests.harness.buckets import fresh_bucket
from tests.harness.cluster import running_cluster
from tests.harness.fixtures import redis_environment
from tests.harness.process_node import ProcessNode, process_node
from tests.harness.processes import ProcessGroup, health_variables

log = logging.getLogger("control_plane")

WARM_UP: Final = 50
SETTLE_SECONDS: Final = 5.0


@dataclass
class Bench:
    """API client and processes of a run."""

    api: Api
    namespace: str
    url: str
    pids: dict[str, list[int]]
    node: ProcessNode

    def used(self) -> dict[str, Used]:
        """Return the resource usage of every part."""
        return used({**self.pids, "runners": list(self.node.pids().values())})


def _pool(environment: dict[str, str], runners: int, concurrency: int) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    container = {"name": "runner", "image": "runs-as-a-process", "env": variables}
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "RunnerPool",
        "metadata": {"name": "default"},
        "spec": {
            "minRunners": runners,
            "maxRunners": runners,
            "concurrency": concurrency,
            "template": {"spec": {"serviceAccountName": "runner", "containers": [container]}},
        },
    }


@asynccontextmanager
async def running(folder: Path, runners: int, concurrency: int) -> AsyncIterator[Bench]:
    """Start everything and stop it afterwards."""
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(running_cluster(folder / "cluster"))
        redis = start_redis(folder / "redis")
        stack.callback(redis.stop)
        store = start_store("versitygw", folder / "store")
        stack.callback(store.stop)
        bucket = fresh_bucket(store)
        await bucket.put_files({str(number): b"tiny" for number in range(10)})
        api = await stack.enter_async_context(await Api.connect(cluster.kubeconfig))
        namespace = await tenants.create_namespace(api, "bench")
        await tenants.create_service_account(api, namespace, "runner")
        await tenants.grant(api, (namespace, "runner"), tenants.RUNNER_RULES, namespace=namespace)
        servers = {
            **redis_environment(redis),
            **bucket.environment,
            "WHERRY_NAMESPACE": namespace,
            "WHERRY_LOG_LEVEL": "warning",
        }
        await api.create(POOLS, namespace, _pool(servers, runners, concurrency))
        node = await stack.enter_async_context(
            process_node(api, cluster, folder / "runners", [namespace])
        )
        group = ProcessGroup(folder)
        stack.callback(group.close)
        admin = {**servers, "KUBECONFIG": str(cluster.kubeconfig)}
        health, url = health_variables()
        operator = group.start("wherry-operator", admin | health, ready_url=f"{url}/readyz")
        port = ports.free_port()
        url = f"http://127.0.0.1:{port}"
        own = {
            "WHERRY_HTTP_PORT": str(port),
            "WHERRY_DEFAULT_TENANT": namespace,
            "WHERRY_RATE_LIMIT_REQUESTS": "0",
        }
        front = group.start("wherry-api", admin | own, ready_url=f"{url}/health")
        await node.wait_running(runners, within=60)
        plane = cluster.control_plane
        servers_of = plane.pids() if plane else {}
        pids = {
            "operator": [operator.pid],
            "API": [front.pid],
            **{name: [pid] for name, pid in servers_of.items()},
            "Redis": [redis.pid],
            "store": [store.pid],
        }
        yield Bench(api, namespace, url, pids, node)


async def measure(bench: Bench, count: int, files: int, rate: float | None) -> None:
    """Post ``count`` jobs, wait until they have ended, and print the costs."""
    completions = Completions(wanted=count)
    _, version = await bench.api.list_with_version(JOBS, bench.namespace)
    watching = asyncio.create_task(completions.watch(bench.api, bench.namespace, version))
    bodies = [
        {"file_ids": [str((number + offset) % 10) for offset in range(files)]}
        for number in range(count)
    ]
    calls, before = await api_calls(bench.api), bench.used()
    started = time.monotonic()
    posted = await post_all(bench.url, bodies, rate)
    posting = time.monotonic() - started
    async with asyncio.timeout(600):
        await asyncio.wait(
            {watching, asyncio.ensure_future(completions.enough.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
    if watching.done():
        watching.result()
    ended = max(completions.at.values())
    # Events and the pool's counts are written slightly later, and are part of the jobs' costs.
    await asyncio.sleep(SETTLE_SECONDS)
    calls, after = await api_calls(bench.api) - calls, bench.used()
    watching.cancel()
    if completions.failed:
        raise RuntimeError(f"{len(completions.failed)} jobs failed: {completions.failed}")
    how = "all at once" if rate is None else f"at {rate:g} a second"
    seconds = ended - started
    print(f"\n{count} jobs of {files} tiny file(s), posted {how} (in {posting:.1f} s):")
    print(f"  {count / seconds:.1f} jobs/s over {seconds:.1f} s")
    waits = sorted(completions.at[name] - begun for name, begun in posted.items())
    shown = {50: statistics.median(waits), 99: waits[int(len(waits) * 0.99)]}
    print("  POST to Completed: " + ", ".join(f"p{p} {s * 1000:.0f} ms" for p, s in shown.items()))
    _print_calls(calls, count)
    for name, use in after.items():
        cpu = (use.cpu_seconds - before[name].cpu_seconds) * 1000 / count
        print(f"  {name}: {cpu:.2f} CPU s per 1,000 jobs, peak RSS {use.peak_mib:.0f} MiB")


def _print_calls(calls: Counter[str], count: int) -> None:
    print(f"  {calls.total() / count:.2f} API calls a job:")
    for name, number in calls.most_common():
        if number >= count / 100:
            print(f"    {number / count:.2f} {name}")


async def run(options: argparse.Namespace) -> None:
    """Start everything, warm up, and measure."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-control-plane-"))
    log.info("logs are in %s", folder)
    async with running(folder, options.runners, options.concurrency) as bench:
        await post_all(bench.url, [{"file_ids": ["1"]}] * WARM_UP, None)
        await asyncio.sleep(SETTLE_SECONDS)
        await measure(bench, options.jobs, options.files, None)
        if options.paced:
            await measure(bench, options.paced, options.files, options.rate)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="control_plane", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000, help="jobs that are posted at once")
    parser.add_argument("--files", type=int, default=1, help="tiny files of each job")
    parser.add_argument("--runners", type=int, default=2, help="runner processes")
    parser.add_argument("--concurrency", type=int, default=5, help="jobs that each takes at once")
    parser.add_argument("--paced", type=int, default=500, help="jobs of the second part")
    parser.add_argument("--rate", type=float, default=10.0, help="their number a second")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("kubernetes").setLevel(logging.WARNING)
    logging.getLogger("process_node").setLevel(logging.WARNING)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
