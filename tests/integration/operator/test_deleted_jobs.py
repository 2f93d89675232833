"""Nothing of a deleted job remains, and its subscribers are notified, even if no watch saw it."""

import asyncio

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.job_snapshot import JobSnapshot
from wherry_core.redis import job_states, keys
from wherry_core.resources import Phase


async def test_subscribers_of_a_deleted_job_are_notified(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    name = job.metadata.name
    runner = operated.runner()
    await runner.start()
    async with runner.beating(), operated.redis.pubsub() as subscriber:
        await runner.take()
        await subscriber.subscribe(keys.job_updates(name))
        await operated.api.delete(JOBS, operated.namespace, name)

        async def heard() -> JobSnapshot | None:
            message = await subscriber.get_message(ignore_subscribe_messages=True, timeout=1)
            return message and JobSnapshot.model_validate_json(message["data"])

        last = await eventually(
            "the end to be published", heard, lambda last: last is not None and last.terminal
        )
        assert last is not None
        assert (last.uid, last.error) == (job.metadata.uid, "The job was deleted.")
        await eventually(
            "its state to be gone",
            lambda: job_states.read(operated.redis, operated.namespace, name),
            lambda seen: seen is None,
        )


@pytest.mark.parametrize(
    ("created_again", "recorded"),
    [(False, False), (True, False), (False, True)],
    ids=["gone", "created again", "recorded by the API"],
)
async def test_a_deletion_that_no_operator_saw_ends_state_and_archive(
    operated: Operated, created_again: bool, recorded: bool
) -> None:
    await operated.create_pool()
    operator = operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    where = (operated.namespace, job.metadata.name)
    runner = operated.runner()
    await runner.start()
    folder = f"archives/{operated.namespace}/{job.metadata.uid}/"
    async with operated.bucket.connect() as store, runner.beating():
        claimed = await runner.take()
        await store.put_object(Bucket=operated.bucket.name, Key=f"{folder}1/a.zip", Body=b"zip")
        await runner.complete(claimed)
        await eventually(
            "its state",
            lambda: job_states.read(operated.redis, *where),
            lambda seen: seen is not None and seen.terminal,
        )
        operator.kill()
        await operated.api.delete(JOBS, *where)
        if recorded:
            # As the API and the runner do when the API server answers 404.
            last = await job_states.read(operated.redis, *where)
            assert last is not None
            await job_states.delete_gone(operated.redis, last)
        if created_again:
            new = await jobs.create_job(operated.api, operated.namespace, ["1"], where[1])
        # Nothing is old enough to be found as an orphan.
        operated.start_operator(WHERRY_ORPHAN_AGE_SECONDS="3600")
        await eventually(
            "its state to be gone",
            lambda: job_states.read(operated.redis, *where),
            lambda seen: seen is None or seen.uid != job.metadata.uid,
            within=20,
        )
        await eventually(
            "its archive to be gone",
            lambda: operated.bucket.keys(folder),
            lambda seen: not seen,
            within=20,
        )
        if created_again:
            await runner.complete(await runner.take())
            await jobs.job_becomes(operated.api, new, Phase.COMPLETED)


async def test_a_state_whose_job_exists_is_kept(operated: Operated) -> None:
    await operated.create_pool(maxRunners=0)
    operator = operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    where = (operated.namespace, job.metadata.name)
    await eventually("its state", lambda: job_states.read(operated.redis, *where))
    for _ in range(2):
        operator.kill()
        operator = operated.start_operator()
        await asyncio.sleep(3)
        assert await job_states.read(operated.redis, *where) is not None
