"""The Events of a pool, as ``kubectl describe`` finds them."""

import asyncio

from tests.harness import jobs
from tests.harness.api import POOLS, Resource
from tests.harness.cluster import Cluster
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated


async def events(operated: Operated) -> dict[str, Resource]:
    """Return the pool's Events by reason: core/v1, selected as kubectl's search does."""
    pool = await operated.api.get(POOLS, operated.namespace, "default")
    metadata = pool["metadata"]
    selector = ",".join(
        f"involvedObject.{field}={value}"
        for field, value in (
            ("name", metadata["name"]),
            ("namespace", metadata["namespace"]),
            ("kind", "RunnerPool"),
            ("uid", metadata["uid"]),
        )
    )
    where = f"/api/v1/namespaces/{operated.namespace}/events"
    found = await operated.api.request("GET", where, query=[("fieldSelector", selector)])
    return {each["reason"]: each for each in found["items"]}


async def recorded(operated: Operated, *reasons: str) -> dict[str, Resource]:
    wanted = set(reasons)
    return await eventually(
        f"the Events {sorted(wanted)}", lambda: events(operated), lambda seen: wanted <= set(seen)
    )


async def describe(operated: Operated, cluster: Cluster) -> str:
    words = ("describe", "rpool", "default", "-n", operated.namespace)
    return await asyncio.to_thread(cluster.kubectl, *words)


async def test_runners_that_start_and_leave_are_events(
    operated: Operated, cluster: Cluster
) -> None:
    await operated.create_pool(concurrency=1, idleSeconds=1)
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
        await eventually("the runner to be asked to leave", lambda: runner.orders.drain)
    await runner.leave()
    found = await recorded(operated, "RunnersStarted", "RunnersDrained")
    assert "Started default-runner-0." in found["RunnersStarted"]["message"]
    assert "default-runner-0" in found["RunnersDrained"]["message"]
    assert job.metadata.name not in str(found)
    text = await describe(operated, cluster)
    _, _, listed = text.partition("\nEvents:\n")
    assert "RunnersStarted" in listed
    assert "RunnersDrained" in listed


async def test_what_prevents_runners_from_starting_is_an_event(
    operated: Operated, cluster: Cluster
) -> None:
    await operated.create_pool(maxRunners=0)
    operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    await recorded(operated, "MaxRunnersZero")
    await set_pool(operated, maxRunners=1)
    runner = operated.runner()
    await runner.pod()
    await runner.find_no_node("0/3 nodes are available")
    found = await recorded(operated, "NoNode")
    assert "0/3 nodes are available" in found["NoNode"]["message"]
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    container = {
        "name": "runner",
        "image": "wherry",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
    }
    scheduled = {"type": "PodScheduled", "status": "True"}
    await runner.patch_pod(conditions=[scheduled], containerStatuses=[container])
    found = await recorded(operated, "RunnersDoNotStart", "RunnersScheduled")
    assert "ErrImagePull: no such image" in found["RunnersDoNotStart"]["message"]
    await runner.set_pod("Failed")
    await recorded(operated, "RunnersFail", "RunnerFailed")
    await set_pool(operated, paused=True)
    await recorded(operated, "PausedBySpec")
    _, _, listed = (await describe(operated, cluster)).partition("\nEvents:\n")
    for reason in ("MaxRunnersZero", "NoNode", "RunnersDoNotStart", "RunnerFailed"):
        assert reason in listed


async def set_pool(operated: Operated, **spec: int | bool) -> None:
    await operated.api.patch(POOLS, operated.namespace, "default", {"spec": spec})
