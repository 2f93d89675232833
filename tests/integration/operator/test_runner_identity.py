"""A runner is its pod: a process without its pod, or from an old template, gets no more jobs."""

import asyncio

import pytest

from tests.harness import jobs
from tests.harness.api import POOLS, ApiError
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.redis import job_queue, runner_registry
from wherry_core.resources import Phase


async def test_a_process_that_outlives_its_pod_is_refused_everything(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    old = operated.runner()
    await old.start()
    async with old.beating():
        claimed = await old.take()
        await operated.api.delete("pods", operated.namespace, old.name, grace_seconds=0)
        await eventually("it to be dismissed", lambda: old.orders.dismissed, within=15)
        assert job.key in old.orders.stop
        await eventually(
            "the job to wait again", lambda: job_queue.length(operated.redis, "default")
        )
        assert await old.pop() is None, "its begin is refused, and the job is back in the queue"
        with pytest.raises(ApiError, match="422"):
            await old.complete(claimed)

        new = operated.runner()
        await new.start()
        assert new.uid != old.uid
        async with new.beating():
            again = await new.take()
            assert again.status.runner_uid == new.uid
            with pytest.raises(ApiError, match="422"):
                await old.complete(claimed)
            await new.complete(again)
            assert not new.orders.dismissed
    await jobs.job_becomes(operated.api, job, Phase.COMPLETED)


async def test_a_pod_deleted_while_no_operator_was_alive_is_dismissed(operated: Operated) -> None:
    await operated.create_pool()
    operator = operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    old = operated.runner()
    await old.start()
    async with old.beating():
        await old.take()
        operator.kill()
        await operated.api.delete("pods", operated.namespace, old.name, grace_seconds=0)
        operated.start_operator()
        await eventually("it to be dismissed", lambda: old.orders.dismissed, within=15)


async def test_an_idle_runner_of_an_old_template_takes_no_job(operated: Operated) -> None:
    pool = await operated.create_pool(minRunners=1, idleSeconds=600)
    operated.start_operator()
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        template = pool["spec"]["template"] | {"metadata": {"labels": {"release": "2"}}}
        body = {"spec": {"template": template}}
        await operated.api.patch(POOLS, operated.namespace, "default", body)
        await eventually("it to be asked to leave", lambda: runner.orders.drain, within=15)
        await jobs.create_job(operated.api, operated.namespace, ["1"])
        await eventually(
            "the job to wait", lambda: job_queue.length(operated.redis, "default"), within=15
        )
        assert await runner.pop() is None


async def test_runners_see_within_three_seconds_that_no_operator_acts(operated: Operated) -> None:
    await operated.create_pool(minRunners=1)
    operator = operated.start_operator()
    runner = operated.runner()
    await runner.start()
    await eventually("the mark", lambda: operator_seconds(operated), lambda left: left > 0)
    for _ in range(10):
        await asyncio.sleep(0.3)
        assert await operator_seconds(operated) > 0
    operator.kill()
    await asyncio.sleep(runner_registry.OPERATOR_MARK_SECONDS)
    assert await operator_seconds(operated) == 0


async def operator_seconds(operated: Operated) -> float:
    """Return for how long a runner of the pool may rely on an operator."""
    runner = operated.runner()
    return (await runner.beat()).operator_seconds
