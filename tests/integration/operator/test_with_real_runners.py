"""Operator and runners together: jobs end, runners come and go, and nothing is left."""

import asyncio
import json
import re
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from tests.harness import jobs
from tests.harness.api import JOBS, POOLS
from tests.harness.cluster import Cluster
from tests.harness.history import JobHistory
from tests.harness.model import broken_promises
from tests.harness.process_node import process_node
from tests.harness.recording import gather_facts
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from tests.integration.operator.real_runners import FILES, prepare_real_runners
from wherry_core.redis import runner_registry
from wherry_core.resources import DownloadJob, Phase

REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\d+)", re.MULTILINE)
COUNTED = {"downloadjobs", "runnerpools", "pods", "events"}
"""Leases are left out: the API server renews one of its own."""
WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE"}


async def requests(operated: Operated, verbs: set[str]) -> dict[str, int]:
    """Return how many requests the API server has answered, by verb and resource."""
    text = str(await operated.api.request("GET", "/metrics"))
    counts: dict[str, int] = {}
    for found in REQUESTS.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found["labels"]))
        if labels["resource"] in COUNTED and labels["verb"] in verbs:
            part = f"/{labels['subresource']}" if labels["subresource"] else ""
            name = f"{labels['verb']} {labels['resource']}{part}"
            counts[name] = counts.get(name, 0) + int(found["count"])
    return counts


def difference(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


async def begun_jobs(operated: Operated) -> set[str]:
    """Return the jobs that the runners with a recent heartbeat have begun."""
    living = await runner_registry.living(operated.redis, "default")
    records = await runner_registry.runner_records(operated.redis, "default", living)
    return {job for record in records.values() for job in record.jobs}


async def all_end(operated: Operated, made: list[DownloadJob], within: float = 90) -> None:
    async def open_jobs() -> list[str]:
        found = await operated.api.list_all(JOBS, operated.namespace)
        return [
            f"{each['metadata']['name']}: {each.get('status', {}).get('phase')}"
            for each in found
            if each.get("status", {}).get("phase") != "Completed"
        ]

    await eventually("all jobs to be Completed", open_jobs, lambda seen: not seen, within=within)
    assert len(await operated.api.list_all(JOBS, operated.namespace)) == len(made)


async def judge(
    operated: Operated,
    history: JobHistory,
    made: list[DownloadJob],
    ends: Iterable[Phase] = (Phase.COMPLETED,),
) -> None:
    """Hold history, bucket and pods against the model, once attempts that were fenced are gone."""
    asked = {job.key: frozenset(ends) for job in made}

    async def broken() -> list[str]:
        facts = await gather_facts(
            operated.api, operated.namespace, operated.bucket, history, asked
        )
        return broken_promises(facts)

    await eventually("all promises to be kept", broken, lambda found: not found, every=1)


async def test_jobs_end_the_pool_returns_to_zero_and_all_is_quiet(
    operated: Operated, cluster: Cluster, tmp_path: Path, job_history: JobHistory
) -> None:
    await prepare_real_runners(operated, idleSeconds=2)
    operated.start_operator()
    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]):
        verbs = {*WRITES, "GET"}
        before = await requests(operated, verbs)
        made = [
            await jobs.create_job(operated.api, operated.namespace, list(FILES)) for _ in range(40)
        ]
        await all_end(operated, made)
        used = difference(before, await requests(operated, verbs))
        own = {name: n for name, n in used.items() if not name.startswith("GET downloadjobs")}
        print(f"API calls for {len(made)} jobs: {used}")
        await eventually(
            "no pod to be left",
            lambda: operated.api.list_all("pods", operated.namespace),
            lambda pods: not pods,
        )
        await eventually(
            "the pool's status to show it",
            lambda: operated.api.get(POOLS, operated.namespace, "default"),
            lambda found: found["status"]["runners"] == 0,
        )
        assert sum(own.values()) <= 10 * len(made)
        await asyncio.sleep(6)
        still = await requests(operated, WRITES)
        await asyncio.sleep(8)
        assert difference(still, await requests(operated, WRITES)) == {}
    listed = await operated.api.list_all(JOBS, operated.namespace)
    assert all("finalizers" not in each["metadata"] for each in listed)
    assert all("annotations" not in each["metadata"] for each in listed)
    for job in made:
        assert job_history.phases(job)[-1] == "Completed"
    await judge(operated, job_history, made)


async def test_killed_runners_lose_no_job(
    operated: Operated, cluster: Cluster, tmp_path: Path, job_history: JobHistory
) -> None:
    slow = {
        "DOWNLOAD_DELAY_ENABLED": "true",
        "DOWNLOAD_DELAY_MIN_MS": "1500",
        "DOWNLOAD_DELAY_MAX_MS": "2500",
    }
    await prepare_real_runners(operated, variables=slow, concurrency=2, maxRunners=3)
    operated.start_operator()
    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]) as node:
        made = [
            await jobs.create_job(operated.api, operated.namespace, list(FILES)) for _ in range(8)
        ]
        await node.wait_running(3)
        await eventually(
            "runners to work",
            lambda: operated.api.list_all(JOBS, operated.namespace),
            lambda seen: sum(e.get("status", {}).get("phase") == "Processing" for e in seen) >= 4,
        )
        victims = [each.name for each in node.running()[:2]]
        for name in victims:
            node.process(name).send(signal.SIGKILL)
        await all_end(operated, made)
        ended = [await jobs.read_job(operated.api, job) for job in made]
        assert sum(job.status.lost_attempts for job in ended) >= 2
        assert all(job.status.failed_attempts == 0 for job in ended)
        await judge(operated, job_history, made)


async def test_a_cancelled_job_stops_within_five_seconds_and_leaves_nothing(
    operated: Operated, cluster: Cluster, tmp_path: Path, job_history: JobHistory
) -> None:
    slow = {
        "DOWNLOAD_DELAY_ENABLED": "true",
        "DOWNLOAD_DELAY_MIN_MS": "60000",
        "DOWNLOAD_DELAY_MAX_MS": "60000",
    }
    await prepare_real_runners(operated, variables=slow)
    operated.start_operator()
    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]):
        job = await jobs.create_job(operated.api, operated.namespace, list(FILES))
        await jobs.job_becomes(operated.api, job, Phase.PROCESSING)
        assert await begun_jobs(operated) == {job.key}
        started = time.monotonic()
        await jobs.patch_spec(operated.api, job, cancel=True)
        await jobs.job_becomes(operated.api, job, Phase.CANCELLED)
        await eventually(
            "the runner to have stopped", lambda: begun_jobs(operated), lambda begun: not begun
        )
        print(f"stopped after {time.monotonic() - started:.1f} s")
    await judge(operated, job_history, [job], [Phase.CANCELLED])


async def test_a_changed_template_replaces_runners_while_jobs_run(
    operated: Operated, cluster: Cluster, tmp_path: Path, job_history: JobHistory
) -> None:
    pool = await prepare_real_runners(operated, minRunners=2, maxRunners=3, concurrency=1)
    operated.start_operator()
    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]) as node:
        await node.wait_running(2)
        old = {each["metadata"]["uid"] for each in await pods_of(operated)}
        template = pool["spec"]["template"]
        template["metadata"] = {"labels": {"release": "2"}}
        await operated.api.patch(
            POOLS, operated.namespace, "default", {"spec": {"template": template}}
        )
        made = [
            await jobs.create_job(operated.api, operated.namespace, list(FILES)) for _ in range(12)
        ]
        await all_end(operated, made)
        await eventually(
            "only new runners",
            lambda: pods_of(operated),
            lambda seen: len(seen) >= 2 and not old & {each["metadata"]["uid"] for each in seen},
            within=60,
        )
        ended = [await jobs.read_job(operated.api, job) for job in made]
        assert all(job.status.attempt == 1 for job in ended)
        await judge(operated, job_history, made)


async def test_kubectl_scale_sets_the_most_runners_and_they_follow(
    operated: Operated, cluster: Cluster, tmp_path: Path
) -> None:
    await prepare_real_runners(operated, maxRunners=1, concurrency=1, idleSeconds=3_600)
    operated.start_operator()
    scale = ["-n", operated.namespace, "scale", "rpool/default"]

    async def kubectl(*words: str) -> str:
        return await asyncio.to_thread(cluster.kubectl, *words)

    async with process_node(operated.api, cluster, tmp_path, [operated.namespace]) as node:
        await kubectl(*scale, "--replicas=0")
        made = [
            await jobs.create_job(operated.api, operated.namespace, list(FILES)) for _ in range(6)
        ]
        for job in made:
            await jobs.job_becomes(operated.api, job, Phase.QUEUED)
        assert not await pods_of(operated)
        said = await kubectl(*scale, "--current-replicas=0", "--replicas=3")
        assert "default scaled" in said
        await node.wait_running(3)
        await all_end(operated, made)
        answer = await kubectl("-n", operated.namespace, "get", "--raw", scale_path(operated))
        assert json.loads(answer)["status"]["replicas"] == 3
        await kubectl(*scale, "--replicas=1")
        await node.wait_running(1)
        await kubectl(*scale, "--replicas=0")
        await node.wait_running(0)


def scale_path(operated: Operated) -> str:
    return f"/apis/wherry.dev/v1/namespaces/{operated.namespace}/runnerpools/default/scale"


async def pods_of(operated: Operated) -> list[dict[str, dict[str, str]]]:
    return await operated.api.list_all("pods", operated.namespace)
