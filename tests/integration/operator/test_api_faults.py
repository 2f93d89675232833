"""Requests to the API server fail in every way: no job is lost, and none runs twice."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS, Api, Resource
from tests.harness.cluster import running_cluster
from tests.harness.fault_proxy import Fault, FaultProxy, Rule, on
from tests.harness.processes import ComponentProcess, fetch
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.redis import job_queue, job_states
from wherry_core.resources import Phase

FAULTS = {
    "409": Rule(on("", ""), Fault.ANSWER, status=409),
    "429": Rule(on("", ""), Fault.ANSWER, status=429, retry_after_seconds=1),
    "500": Rule(on("", ""), Fault.ANSWER, status=500),
    "reset": Rule(on("", ""), Fault.RESET),
    "answer lost": Rule(on("", ""), Fault.LOSE_ANSWER),
}
WRITES = {
    "status of a job": on("PATCH", "/downloadjobs/"),
    "pod": on("POST", "/pods"),
    "status of a pool": on("PATCH", "/runnerpools/"),
    "event": on("POST", "/events"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_write_may_fail_twice(
    operated: Operated, proxy: FaultProxy, fault: str
) -> None:
    kind = FAULTS[fault]
    proxy.rules += [
        Rule(matches, kind.fault, 2, kind.status, kind.retry_after_seconds)
        for matches in WRITES.values()
    ]
    await operated.create_pool()
    await operated.start_behind()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.fail(await runner.take())
        second = await runner.take()
        assert second.status.attempt == 2
        await runner.complete(second)
        third = await jobs.create_job(operated.api, operated.namespace, ["2"])
        await runner.complete(await runner.take())
    for each in (job, third):
        await jobs.job_becomes(operated.api, each, Phase.COMPLETED)
    pods = await operated.api.list_all("pods", operated.namespace)
    assert [pod["metadata"]["name"] for pod in pods] == [runner.name]


@pytest.mark.parametrize(
    "rule",
    [
        Rule(on("GET", "watch=true"), Fault.ANSWER, 4, 410),
        Rule(on("GET", "watch=true"), Fault.ANSWER, 4, 500),
        Rule(on("GET", "watch=true"), Fault.ANSWER, 4, 429, 1),
        Rule(on("GET", "watch=true"), Fault.RESET, 4),
        Rule(on("GET", "/downloadjobs"), Fault.ANSWER, 4, 500),
        Rule(on("GET", "/downloadjobs"), Fault.RESET, 4),
        Rule(on("GET", "/apis/wherry.dev"), Fault.RESET, 2),
    ],
    ids=["410", "500", "429", "reset", "list 500", "list reset", "discovery reset"],
)
async def test_reading_may_fail_at_the_start(
    operated: Operated, proxy: FaultProxy, rule: Rule
) -> None:
    proxy.rules.append(Rule(rule.matches, rule.fault, rule.times, rule.status))
    await operated.create_pool()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await operated.start_behind()
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
    await jobs.job_becomes(operated.api, job, Phase.COMPLETED)
    assert rule.fault in {fault for _, _, fault in proxy.requests}


async def test_a_stalled_watch_is_made_up_for_by_the_sweep_and_given_up(
    operated: Operated, proxy: FaultProxy
) -> None:
    proxy.rules.append(Rule(on("GET", "watch=true"), Fault.STALL, 3))
    await operated.create_pool()
    await operated.start_behind(WHERRY_SWEEP_SECONDS="1", WHERRY_WATCH_SILENCE_SECONDS="10")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    gone = await jobs.create_job(operated.api, operated.namespace, ["2"])
    await jobs.job_becomes(operated.api, gone, Phase.QUEUED)
    await operated.api.delete(JOBS, operated.namespace, gone.metadata.name)
    await eventually("new watches", lambda: proxy.count("GET", "watch=true") >= 6)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        taken = await runner.take()
        assert taken.key == job.key
        await runner.complete(taken)


async def test_a_runners_deletion_may_be_refused_with_409(
    operated: Operated, proxy: FaultProxy
) -> None:
    """Only reading the pod shows whether it was replaced meanwhile."""
    proxy.rules.append(Rule(on("DELETE", "/pods/"), Fault.ANSWER, 2, status=409))
    await operated.create_pool(idleSeconds=1)
    await operated.start_behind(WHERRY_SWEEP_SECONDS="3600")
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
    await runner.leave()
    await runner.gone()
    assert proxy.count("DELETE", "/pods/") == 3


async def test_the_missed_deletion_of_a_job_is_found_by_the_sweep(
    operated: Operated, proxy: FaultProxy
) -> None:
    swallowed = swallow_deletions(proxy, "DownloadJob")
    await operated.create_pool()
    operator = await operated.start_behind(WHERRY_SWEEP_SECONDS="1")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    name = job.metadata.name
    await eventually("the job to wait", lambda: job_queue.members(operated.redis, "default"))
    await operated.api.delete(JOBS, operated.namespace, name)
    await eventually(
        "the job to leave the queue",
        lambda: job_queue.members(operated.redis, "default"),
        lambda seen: not seen,
    )
    await eventually(
        "its state to be gone",
        lambda: job_states.read(operated.redis, operated.namespace, name),
        lambda seen: seen is None,
    )
    assert swallowed == [name]
    assert await repairs(operator) == {'change="deleted",kind="job"': 1}
    assert 'wherry_jobs{phase="Queued"} 0.0' in await metrics_of(operator)


async def test_the_missed_deletion_of_a_pod_is_found_by_the_sweep(
    operated: Operated, proxy: FaultProxy
) -> None:
    swallowed = swallow_deletions(proxy, "Pod")
    await operated.create_pool()
    operator = await operated.start_behind(WHERRY_SWEEP_SECONDS="1")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    await runner.take()
    lost = await runner.pod()
    await operated.api.delete("pods", operated.namespace, runner.name, grace_seconds=0)
    queued = await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    assert queued.status.failures[-1].reason == "RunnerGone"
    assert swallowed == [runner.name]
    assert await repairs(operator) == {'change="deleted",kind="pod"': 1}
    new = await eventually("a new runner", runner.pod)
    assert new["metadata"]["uid"] != lost["metadata"]["uid"]


def swallow_deletions(proxy: FaultProxy, kind: str) -> list[str]:
    """Keep deletions from every watch; return the list that will hold the lost names."""
    names: list[str] = []

    def swallow(event: str, body: Resource) -> bool:
        if event == "DELETED" and body["kind"] == kind:
            names.append(body["metadata"]["name"])
            return True
        return False

    proxy.swallow = swallow
    return names


async def metrics_of(operator: ComponentProcess) -> str:
    return await asyncio.to_thread(fetch, operator.ready_url.replace("/readyz", "/metrics"))


async def repairs(operator: ComponentProcess) -> dict[str, float]:
    """Return how often the sweep repaired what, by the metric's labels."""
    found = re.findall(
        r"^wherry_cache_repairs_total\{(.*)\} (\S+)$", await metrics_of(operator), re.MULTILINE
    )
    return {labels: float(count) for labels, count in found}


async def test_a_restarted_api_server_is_found_again(
    operated: Operated, tmp_path: Path, api: Api
) -> None:
    with running_cluster(tmp_path / "own") as cluster:
        assert cluster.control_plane
        operated.environment["KUBECONFIG"] = str(cluster.kubeconfig)
        async with await Api.connect(cluster.kubeconfig) as own:
            operated.api = own
            body = {"metadata": {"name": operated.namespace}}
            await own.create("namespaces", None, body)
            await operated.create_pool()
            operated.start_operator()
            first = await jobs.create_job(own, operated.namespace, ["1"])
            await jobs.job_becomes(own, first, Phase.QUEUED)
            cluster.control_plane.restart_apiserver(kill=True)
            second = await jobs.create_job(own, operated.namespace, ["2"])
            await jobs.job_becomes(own, second, Phase.QUEUED)
            runner = operated.runner()
            await runner.start()
            async with runner.beating():
                for _ in range(2):
                    await runner.complete(await runner.take())
            for job in (first, second):
                await jobs.job_becomes(own, job, Phase.COMPLETED)
        assert operated.operator.log_text().count("the operator starts") == 1
    assert api is not operated.api
