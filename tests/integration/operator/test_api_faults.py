"""The way to the API server fails in every manner: no job is lost, and none runs twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import jobs, tenants
from tests.harness.api import JOBS, Api
from tests.harness.cluster import Cluster, running_cluster
from tests.harness.fault_proxy import Fault, FaultProxy, Rule, fault_proxy, on
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from tests.integration.operator.test_pools import RELEASE_RULES, TENANT_RULES
from wherry_core.resources import Phase


@pytest.fixture
async def proxy(operated: Operated, cluster: Cluster) -> AsyncIterator[FaultProxy]:
    """A proxy that the operator takes to the API server; the tests and runners do not."""
    account = (operated.namespace, "operator")
    await tenants.create_service_account(operated.api, *account)
    rules = [*RELEASE_RULES, *TENANT_RULES]
    await tenants.grant(operated.api, account, rules, namespace=operated.namespace)
    token = await tenants.request_token(operated.api, *account)
    async with fault_proxy(cluster) as running:
        path = cluster.token_kubeconfig(
            operated.processes.folder / "operator.kubeconfig",
            namespace=operated.namespace,
            token=token,
            server=running.url,
        )
        operated.environment["KUBECONFIG"] = str(path)
        yield running


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
