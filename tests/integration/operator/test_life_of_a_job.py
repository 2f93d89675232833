"""Everything that may happen to a job on its way, with real servers and a runner played by hand."""

import asyncio
from datetime import timedelta

import pytest

from tests.harness import jobs
from tests.harness.api import JOBS, ApiError
from tests.harness.waiting import eventually, never
from tests.integration.operator.conftest import Operated
from wherry_core.redis import job_queue, job_states
from wherry_core.resources import DownloadJob, Phase

EVENTS = "events.k8s.io/v1/events"


async def in_queue(operated: Operated, job: DownloadJob) -> bool:
    return job.key in await job_queue.members(operated.redis, "default")


async def fail_until_dead_lettered_and_retry(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], backoffLimit=1)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        first = await runner.take()
        await runner.fail(first)
        second = await runner.take()
        assert second.status.attempt == 2
        assert second.status.next_attempt_time is None or second.status.attempt_start_time
        await runner.fail(second)
        dead = await jobs.job_becomes(operated.api, job, Phase.FAILED)
        assert dead.status.failed_attempts == 2
        assert [each.reason for each in dead.status.failures] == ["StoreUnavailable"] * 2
        listed = await eventually(
            "the label of a dead letter",
            lambda: operated.api.list_all(
                JOBS, operated.namespace, selector="wherry.dev/dead-letter=true"
            ),
        )
        assert len(listed) == 1

        annotation = {"metadata": {"annotations": {"wherry.dev/retry": "now"}}}
        await operated.api.patch(JOBS, operated.namespace, job.metadata.name, annotation)
        again = await runner.take()
        assert again.metadata.labels["wherry.dev/retry-of"] == job.metadata.name
        assert again.spec.file_ids == job.spec.file_ids
        await runner.complete(again)
    old = await eventually(
        "the request to be removed",
        lambda: jobs.read_job(operated.api, job),
        lambda found: "wherry.dev/retry" not in found.metadata.annotations,
    )
    assert old.status.phase is Phase.FAILED


async def test_failed_attempts_pause_and_end_as_a_dead_letter_that_can_be_retried(
    operated: Operated,
) -> None:
    await fail_until_dead_lettered_and_retry(operated)
    events = await eventually(
        "the Events of the job",
        lambda: operated.api.list_all(EVENTS, operated.namespace),
        lambda seen: (
            {"AttemptFailed", "DeadLettered", "Retried", "Completed"}
            <= {each["reason"] for each in seen}
        ),
    )
    assert all(each["reportingController"] == "wherry.dev/operator" for each in events)


async def test_a_failure_that_cannot_succeed_is_not_retried(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        await runner.fail(await runner.take(), "FileNotFound", retryable=False)
        failed = await jobs.job_becomes(operated.api, job, Phase.FAILED)
    assert failed.status.attempt == 1
    assert [each.type for each in failed.status.conditions if each.status == "True"] == ["Failed"]


async def test_a_job_handed_back_continues_at_once(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        first = await runner.take()
        await runner.hand_back(first)
        second = await runner.take()
        assert (second.status.attempt, second.status.failed_attempts) == (2, 0)
        with pytest.raises(ApiError, match="422"):
            await runner.complete(first)
        await runner.complete(second)


async def test_suspend_and_resume_while_waiting_and_while_running(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        await jobs.patch_spec(operated.api, job, suspend=True)
        await eventually("the runner to be asked to stop", lambda: job.key in runner.orders.stop)
        await runner.hand_back(claimed)
        await jobs.job_becomes(operated.api, job, Phase.QUEUED)
        await never("a suspended job in the queue", lambda: in_queue(operated, job), during=1)
        await jobs.patch_spec(operated.api, job, suspend=False)
        resumed = await runner.take()
        assert resumed.status.attempt == 2
        await runner.complete(resumed)
    done = await jobs.read_job(operated.api, job)
    assert {each.type: each.status for each in done.status.conditions}["Suspended"] == "False"
    assert done.status.observed_generation == done.metadata.generation


async def test_cancel_while_waiting_and_while_running(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    running = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        waiting = await jobs.create_job(operated.api, operated.namespace, ["2"])
        await eventually("the job to wait", lambda: in_queue(operated, waiting))
        for job in (running, waiting):
            await jobs.patch_spec(operated.api, job, cancel=True)
            await jobs.job_becomes(operated.api, job, Phase.CANCELLED)
        await eventually(
            "the runner to be asked to stop", lambda: running.key in runner.orders.stop
        )
        with pytest.raises(ApiError, match="422"):
            await runner.complete(claimed)
        await runner.finish(claimed)
    assert not await in_queue(operated, waiting)
    name = waiting.metadata.name
    await eventually(
        "subscribers to be notified",
        lambda: job_states.read(operated.redis, operated.namespace, name),
        lambda seen: seen is not None and seen.error == "The job was cancelled.",
    )


async def test_a_running_job_that_takes_longer_than_it_may_fails(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], activeDeadlineSeconds=5)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        claimed = await runner.take()
        failed = await jobs.job_becomes(operated.api, job, Phase.FAILED)
        await eventually("the runner to be asked to stop", lambda: job.key in runner.orders.stop)
        with pytest.raises(ApiError, match="422"):
            await runner.complete(claimed)
    assert [each.reason for each in failed.status.conditions] == ["DeadlineExceeded"]


async def test_suspended_time_does_not_count_against_the_active_deadline(
    operated: Operated,
) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], activeDeadlineSeconds=5)
    runner = operated.runner()
    await runner.start()
    async with runner.beating():
        first = await runner.take()
        await jobs.patch_spec(operated.api, job, suspend=True)
        await eventually("the runner to be asked to stop", lambda: job.key in runner.orders.stop)
        await runner.hand_back(first)
        await jobs.job_becomes(operated.api, job, Phase.QUEUED)
        await asyncio.sleep(6)
        assert (await jobs.read_job(operated.api, job)).status.phase is Phase.QUEUED
        await jobs.patch_spec(operated.api, job, suspend=False)
        second = await runner.take()
        assert first.status.start_time
        assert second.status.start_time
        assert second.status.start_time - first.status.start_time >= timedelta(seconds=6)
        await jobs.job_becomes(operated.api, job, Phase.FAILED)


async def test_a_deleted_pod_and_an_evicted_one_lose_no_job(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    await runner.take()
    await operated.api.delete("pods", operated.namespace, runner.name, grace_seconds=0)
    queued = await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    assert queued.status.lost_attempts == 1

    second = operated.runner((await replacement(operated, {runner.name}))["metadata"]["name"])
    await second.start()
    await second.take()
    await second.set_pod("Failed", reason="Evicted", message="The node was low on memory.")
    lost = await eventually(
        "the second loss",
        lambda: jobs.read_job(operated.api, job),
        lambda found: found.status.lost_attempts == 2,
    )
    assert (lost.status.attempt, lost.status.failed_attempts) == (3, 0)
    assert [each.reason for each in lost.status.failures] == ["RunnerGone", "RunnerEvicted"]
    assert all(each.infrastructure for each in lost.status.failures)
    await eventually(
        "the evicted pod to be deleted",
        lambda: operated.api.find("pods", operated.namespace, second.name),
        lambda pod: pod is None or pod["metadata"]["uid"] != "",
    )


async def replacement(operated: Operated, known: set[str]) -> dict[str, dict[str, str]]:
    pods = await eventually(
        "another runner pod",
        lambda: operated.api.list_all("pods", operated.namespace),
        lambda found: any(each.get("status", {}).get("phase") == "Pending" for each in found),
    )
    return next(each for each in pods if each["status"]["phase"] == "Pending")


async def test_used_up_memory_is_the_jobs_own_failure(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    await runner.take()
    terminated = {"reason": "OOMKilled", "exitCode": 137, "containerID": "x://1"}
    status = {
        "name": "runner",
        "image": "wherry",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": terminated},
    }
    await runner.set_pod("Failed", containerStatuses=[status])
    seen = await eventually(
        "the failure",
        lambda: jobs.read_job(operated.api, job),
        lambda found: found.status.failed_attempts == 1,
    )
    assert seen.status.failures[-1].reason == "OutOfMemory"
    assert seen.status.lost_attempts == 0


async def test_an_unresponsive_runner_is_fenced_off_and_its_pod_deleted(operated: Operated) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_HEARTBEAT_TIMEOUT_SECONDS="6")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    claimed = await runner.take()
    async with runner.beating():
        await asyncio.sleep(7)
        assert (await jobs.read_job(operated.api, job)).status.phase is Phase.PROCESSING
    queued = await jobs.job_becomes(operated.api, job, Phase.QUEUED)
    assert queued.status.failures[-1].reason == "RunnerUnresponsive"
    with pytest.raises(ApiError, match="422"):
        await runner.complete(claimed)
    await runner.gone()


async def fail_late_and_be_deleted(operated: Operated) -> DownloadJob:
    operated.start_operator()
    late = await jobs.create_job(
        operated.api,
        operated.namespace,
        ["1"],
        queueTimeoutSeconds=1,
        ttlSecondsAfterFinished=2,
    )
    failed = await jobs.job_becomes(operated.api, late, Phase.FAILED)
    await eventually(
        "the job to be deleted",
        lambda: operated.api.find(JOBS, operated.namespace, late.metadata.name),
        lambda found: found is None,
    )
    return failed


async def test_time_ends_jobs_and_deletes_them_with_their_archives(operated: Operated) -> None:
    failed = await fail_late_and_be_deleted(operated)
    reasons = {each.type: each.reason for each in failed.status.conditions}
    assert reasons == {"Waiting": "QueueTimeout", "Failed": "QueueTimeout"}


async def test_a_job_that_waits_for_its_pool_runs_once_it_is_there(operated: Operated) -> None:
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"], pool="big")
    await eventually(
        "the condition",
        lambda: jobs.read_job(operated.api, job),
        lambda found: bool(found.status.conditions),
    )
    await operated.create_pool("big")
    runner = operated.runner("big-runner-0", "big")
    await runner.start()
    async with runner.beating():
        await runner.complete(await runner.take())
    await jobs.job_becomes(operated.api, job, Phase.COMPLETED)


async def test_the_archive_goes_with_a_deleted_job_and_leftovers_at_its_end(
    operated: Operated,
) -> None:
    await operated.create_pool()
    operated.start_operator()
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    folder = f"archives/{operated.namespace}/{job.metadata.uid}"
    runner = operated.runner()
    await runner.start()
    async with operated.bucket.connect() as store, runner.beating():
        bucket = operated.bucket.name
        first = await runner.take()
        await store.create_multipart_upload(Bucket=bucket, Key=f"{folder}/1/a.zip")
        await store.put_object(Bucket=bucket, Key=f"{folder}/1/manifest.json", Body=b"{}")
        await runner.hand_back(first)
        second = await runner.take()
        await store.put_object(Bucket=bucket, Key=f"{folder}/2/a.zip", Body=b"zip")
        await runner.complete(second)

        async def keys() -> set[str]:
            listed = await store.list_objects_v2(Bucket=bucket, Prefix=folder)
            uploads = await store.list_multipart_uploads(Bucket=bucket, Prefix=folder)
            return {each["Key"] for each in listed.get("Contents", [])} | {
                f"upload {each['Key']}" for each in uploads.get("Uploads", [])
            }

        await eventually(
            "only the archive to be left", keys, lambda seen: seen == {f"{folder}/2/a.zip"}
        )
        await operated.api.delete(JOBS, operated.namespace, job.metadata.name)
        await eventually("the archive to be deleted", keys, lambda seen: not seen)
