"""Time to decide, memory and CPU time of the operator with many existing jobs.

Run it as ``python -m tests.bench.operator.many_jobs 1000 10000``: each number is a count of jobs.
Real API server, Redis and operator; no runner takes part.
"""

import argparse
import asyncio
import functools
import logging
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil

from localcluster.redisserver import start_redis
from tests.harness import tenants
from tests.harness.api import JOBS, POOLS, Api
from tests.harness.cluster import Cluster, running_cluster
from tests.harness.fixtures import redis_environment
from tests.harness.jobs import job_body
from tests.harness.processes import ComponentProcess, component_process, health_variables
from tests.harness.waiting import eventually
from wherry_core.redis import client as redis_client
from wherry_core.redis import job_queue
from wherry_core.settings import RedisSettings

log = logging.getLogger("many_jobs")

AT_ONCE: Final = 32
IDS: Final = [str(number) for number in range(100)]
MEGABYTE: Final = 1_000_000


async def create_jobs(api: Api, namespace: str, count: int) -> None:
    """Create ``count`` jobs of 100 files each."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await api.create(JOBS, namespace, job_body(IDS))

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def started(operator: ComponentProcess) -> float:
    """Wait until the operator's cache is loaded; return how long that took in seconds."""
    begun = time.monotonic()
    await asyncio.to_thread(operator.wait_ready_blocking, 300)
    return time.monotonic() - begun


def usage(operator: ComponentProcess) -> str:
    """Return memory and CPU time as text."""
    process = psutil.Process(operator.pid)
    used = process.cpu_times()
    return (
        f"{process.memory_info().rss / MEGABYTE:.0f} MB, "
        f"{used.user + used.system:.1f} s of processor time"
    )


async def measure(cluster: Cluster, environment: dict[str, str], folder: Path, count: int) -> None:
    """Measure with one count of jobs: all of them new, then after a restart.

    Each time Redis is empty at first, so that the queue shows when every job was decided on.
    """
    redis = redis_client.connect(RedisSettings.model_validate(environment))
    async with await Api.connect(cluster.kubeconfig) as api:
        namespace = await tenants.create_namespace(api)
        template = {"spec": {"containers": [{"name": "runner", "image": "none"}]}}
        pool: dict[str, Any] = {"metadata": {"name": "default"}, "spec": {"template": template}}
        pool |= {"apiVersion": "wherry.dev/v1", "kind": "RunnerPool"}
        pool["spec"]["maxRunners"] = 0
        await api.create(POOLS, namespace, pool)
        begun = time.monotonic()
        await create_jobs(api, namespace, count)
        log.info("%d jobs created in %.1f s", count, time.monotonic() - begun)
        for what in ("new", "after a restart"):
            await redis.flushdb()
            health, url = health_variables()
            own = {**environment, **health, "WHERRY_NAMESPACE": namespace}
            with component_process(
                "wherry-operator", own, folder, name=f"{namespace}-{what}"
            ) as operator:
                operator.ready_url = f"{url}/readyz"
                loaded = await started(operator)
                begun = time.monotonic()
                await eventually(
                    "all jobs to wait in the queue",
                    functools.partial(job_queue.length, redis, "default"),
                    lambda seen: seen == count,
                    within=600,
                    every=0.2,
                )
                log.info(
                    "%d jobs, %s: loaded in %.1f s, all in the queue %.1f s later, %s",
                    count,
                    what,
                    loaded,
                    time.monotonic() - begun,
                    usage(operator),
                )
    await redis.aclose()


async def run(counts: list[int]) -> None:
    """Measure every count with servers of its own."""
    folder = Path(tempfile.mkdtemp(prefix="wherry-many-jobs-"))
    redis = start_redis(folder / "redis")
    try:
        for count in counts:
            with running_cluster(folder / f"cluster-{count}") as cluster:
                environment = {
                    **redis_environment(redis),
                    "KUBECONFIG": str(cluster.kubeconfig),
                    "WHERRY_LEADER_ELECTION": "false",
                    "WHERRY_LOG_LEVEL": "warning",
                    "WHERRY_SOURCE_BUCKET": "none",
                    "WHERRY_ARCHIVE_BUCKET": "none",
                }
                await measure(cluster, environment, folder, count)
    finally:
        redis.stop()


def main() -> None:
    """Measure the counts of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="+", type=int, help="how many jobs there are")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("kubernetes").setLevel(logging.WARNING)
    asyncio.run(run(parser.parse_args().counts))


if __name__ == "__main__":
    main()
