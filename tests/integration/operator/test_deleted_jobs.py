"""What is told of a job that is deleted before it has ended."""

from tests.harness import jobs
from tests.harness.api import JOBS
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from wherry_core.job_snapshot import JobSnapshot
from wherry_core.redis import job_states, keys


async def test_who_follows_a_job_that_is_deleted_is_told(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    name = job.metadata.name
    runner = operated.runner()
    await runner.start()
    async with runner.beating(), operated.redis.pubsub() as follower:
        await runner.take()
        await follower.subscribe(keys.job_updates(name))
        await operated.api.delete(JOBS, operated.namespace, name)

        async def heard() -> JobSnapshot | None:
            message = await follower.get_message(ignore_subscribe_messages=True, timeout=1)
            return message and JobSnapshot.model_validate_json(message["data"])

        last = await eventually(
            "the end to be told", heard, lambda told: told is not None and told.terminal
        )
        assert last is not None
        assert (last.uid, last.error) == (job.metadata.uid, "The job was deleted.")
        await eventually(
            "its state to be gone",
            lambda: job_states.read(operated.redis, operated.namespace, name),
            lambda seen: seen is None,
        )
