"""Pools: pods that find no node, that do not start, templates that make none, tenants' limits."""

import asyncio

from tests.harness import jobs, tenants
from tests.harness.api import POOLS, Resource
from tests.harness.cluster import Cluster
from tests.harness.fixtures import NamespaceFactory
from tests.harness.waiting import eventually, never
from tests.integration.operator.conftest import RELEASE_RULES, TENANT_RULES, Operated
from wherry_core.redis import job_queue
from wherry_core.resources import Phase


async def conditions(operated: Operated) -> dict[str, Resource]:
    pool = await operated.api.get(POOLS, operated.namespace, "default")
    return {each["type"]: each for each in pool.get("status", {}).get("conditions", [])}


async def pods(operated: Operated) -> list[Resource]:
    return await operated.api.list_all("pods", operated.namespace)


async def test_unschedulable_pods_are_reported_and_not_multiplied(operated: Operated) -> None:
    await operated.create_pool(concurrency=1)
    operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.pod()
    await runner.find_no_node("0/3 nodes are available")
    seen = await eventually(
        "the condition", lambda: conditions(operated), lambda found: "Unschedulable" in found
    )
    assert "0/3 nodes are available" in seen["Unschedulable"]["message"]
    await never("a second pod", lambda: more_than_one(operated), during=2)


async def more_than_one(operated: Operated) -> bool:
    return len(await pods(operated)) > 1


async def test_runners_that_fail_at_their_start_are_not_made_in_a_loop(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    first = await runner.pod()
    await runner.set_pod("Failed")
    seen = await eventually(
        "the condition",
        lambda: conditions(operated),
        lambda found: found.get("Available", {}).get("reason") == "RunnersFail",
    )
    assert "ended with an error" in seen["Available"]["message"]
    await never("a new pod at once", lambda: pods_but(operated, first), during=3)
    await eventually("a new pod after the pause", lambda: pods_but(operated, first))


async def pods_but(operated: Operated, old: Resource) -> list[Resource]:
    uid = old["metadata"]["uid"]
    return [each for each in await pods(operated) if each["metadata"]["uid"] != uid]


async def test_a_template_without_a_runner_is_reported(operated: Operated) -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "x"}]}}
    await operated.create_pool(template=template)
    operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    seen = await eventually(
        "the condition",
        lambda: conditions(operated),
        lambda found: found.get("Available", {}).get("reason") == "RunnersFail",
    )
    assert 'no container named "runner"' in seen["Available"]["message"]


async def test_a_paused_pool_starts_nothing_until_it_goes_on(operated: Operated) -> None:
    await operated.create_pool(paused=True)
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    await never("a pod of a paused pool", lambda: pods(operated), during=1)
    body = {"spec": {"paused": False}}
    await operated.api.patch(POOLS, operated.namespace, "default", body)
    await operated.runner().pod()


async def test_changed_bounds_are_followed_while_jobs_run(operated: Operated) -> None:
    await operated.create_pool(maxRunners=1, concurrency=1, idleSeconds=1)
    operated.start_operator()
    for _ in range(2):
        await jobs.create_job(operated.api, operated.namespace, ["1"])
    busy = operated.runner()
    await busy.start()
    async with busy.beating():
        claimed = await busy.take()
        await never("a pod over maxRunners", lambda: more_than_one(operated), during=1)
        await set_bounds(operated, maxRunners=2)
        second = operated.runner("default-runner-1")
        await second.start()
        await set_bounds(operated, minRunners=3, maxRunners=3)
        await operated.runner("default-runner-2").pod()
        await set_bounds(operated, minRunners=0, maxRunners=0)
        async with second.beating():
            await eventually("the idle runner to be asked to leave", lambda: second.orders.drain)
        assert not busy.orders.drain
        await second.leave()
        await second.gone()
        await busy.complete(claimed)
        await eventually("the last runner to be asked to leave", lambda: busy.orders.drain)


async def set_bounds(operated: Operated, **spec: int) -> None:
    await operated.api.patch(POOLS, operated.namespace, "default", {"spec": spec})


async def test_a_tenants_limit_holds_and_the_next_job_follows(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_TENANT_RUNNING_LIMIT="1")
    first = await jobs.create_job(operated.api, operated.namespace, ["1"])
    await jobs.job_becomes(operated.api, first, Phase.QUEUED)
    second = await jobs.create_job(operated.api, operated.namespace, ["2"])
    await jobs.job_becomes(operated.api, second, Phase.QUEUED)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        assert claimed.key == first.key
        await asyncio.sleep(0.5)
        assert await job_queue.length(operated.redis, "default") == 0
        await runner.complete(claimed)
        following = await runner.take()
        assert following.key == second.key


async def test_the_documented_permissions_are_enough(
    operated: Operated, cluster: Cluster, make_namespace: NamespaceFactory
) -> None:
    tenant = await make_namespace()
    path = await tenants.service_account_kubeconfig(
        operated.api,
        cluster,
        operated.processes.folder,
        (operated.namespace, "operator"),
        {operated.namespace: RELEASE_RULES, tenant: TENANT_RULES},
    )
    operated.environment |= {
        "KUBECONFIG": str(path),
        "WHERRY_TENANT_NAMESPACES": tenant,
        "WHERRY_LEADER_ELECTION": "true",
    }
    await operated.create_pool(idleSeconds=1)
    operator = operated.start_operator(WHERRY_SWEEP_SECONDS="1")
    job = await jobs.create_job(operated.api, tenant, ["1"], backoffLimit=0)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        await runner.fail(claimed)
        await jobs.job_becomes(operated.api, job, Phase.FAILED)
        annotation = {"metadata": {"annotations": {"wherry.dev/retry": "now"}}}
        await operated.api.patch(
            "wherry.dev/v1/downloadjobs", tenant, job.metadata.name, annotation
        )
        again = await runner.take()
        await jobs.patch_spec(operated.api, again, ttlSecondsAfterFinished=0)
        await runner.complete(again)
        await eventually(
            "the retried job to be deleted",
            lambda: operated.api.find("wherry.dev/v1/downloadjobs", tenant, again.metadata.name),
            lambda found: found is None,
        )
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
    await runner.leave()
    await runner.gone()
    assert "orbidden" not in operator.log_text()
