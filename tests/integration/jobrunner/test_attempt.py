"""One attempt in this process: real servers, and an engine that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.harness.history import JobHistory, violations
from tests.harness.jobs import patch_spec, patch_status, read_job
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room
from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.redis import keys
from wherry_core.redis.link import RedisLink
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources import Archive, DownloadJob, Phase
from wherry_core.settings import LifetimeSettings, StoreSettings
from wherry_jobrunner import attempt as attempt_module
from wherry_jobrunner.archive import ArchiveError, ArchiveProgress, ArchiveRequest, ArchiveResult
from wherry_jobrunner.attempt import Attempt, Stop
from wherry_jobrunner.claim.claim_loop import claim_job
from wherry_jobrunner.completion import Outcome
from wherry_jobrunner.dependencies import Dependencies
from wherry_jobrunner.kubernetes_client import JobClient
from wherry_jobrunner.settings import RunnerSettings

RUNNER = RunnerId("default-runner-0", "pod-uid-1")
Report = Callable[[ArchiveProgress], None]
Engine = Callable[[ArchiveRequest, Report], Awaitable[ArchiveResult]]
MakeAttempt = Callable[[Engine], Awaitable[Attempt]]


def result(request: ArchiveRequest) -> ArchiveResult:
    key = f"archives/{request.namespace}/{request.uid}/{request.attempt}/a.zip"
    archive = Archive(bucket="b", key=key, name="a.zip", size=10)
    return ArchiveResult(archive, ArchiveProgress(3, 3, 0, 100, 100))


@pytest.fixture
async def make_attempt(room: Room, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeAttempt]:
    """Queue and claim a job, and return an attempt at it with the given engine."""
    monkeypatch.setenv("KUBECONFIG", str(room.kubeconfig))
    async with await kubernetes_client.connect() as kubernetes, room.bucket.connect() as store:
        jobs = JobClient(kubernetes)

        async def make(engine: Engine) -> Attempt:
            async def bundle(
                request: ArchiveRequest,
                client: Any,
                settings: StoreSettings,
                *,
                report: Report,
                redis: Any = None,
            ) -> ArchiveResult:
                del client, settings, redis
                return await engine(request, report)

            dependencies = Dependencies(
                settings=RunnerSettings.model_validate(
                    {"WHERRY_RUNNER_NAME": RUNNER.name, "WHERRY_RUNNER_UID": RUNNER.uid}
                ),
                store_settings=room.bucket.settings,
                lifetimes=LifetimeSettings(),
                jobs=jobs,
                redis=RedisLink(room.redis),
                store=store,
                bundle=bundle,
            )
            queued = await room.queue()
            claimed = await claim_job(jobs, queued.key, RUNNER)
            assert claimed is not None
            return Attempt(dependencies, claimed)

        yield make


async def now(room: Room, attempt: Attempt) -> DownloadJob:
    return await read_job(room.api, attempt.job)


async def test_progress_is_coalesced_for_subscribers_and_rare_on_the_resource(
    room: Room,
    make_attempt: MakeAttempt,
    job_history: JobHistory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt_module, "RESOURCE_SECONDS", 0.8)

    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        for done in range(1, 101):
            report(ArchiveProgress(3, done // 34, 0, 100, done))
            await asyncio.sleep(0.02)
        return result(request)

    attempt = await make_attempt(engine)
    async with room.redis.pubsub() as subscriber:
        await subscriber.subscribe(keys.job_updates(attempt.job.metadata.name))
        assert await attempt.run() is Outcome.COMPLETED
        received = 0
        while (message := await subscriber.get_message(timeout=0.5)) is not None:
            received += message["type"] == "message"
    done = await now(room, attempt)
    await job_history.reach(done.metadata.resource_version)
    assert 4 <= received <= 15
    changes = [change.job.status for change in job_history.of(attempt.job)]
    assert violations(job_history.changes) == []
    shown = [status.progress for status in changes if status.phase is Phase.PROCESSING]
    assert shown == sorted(shown)
    assert 2 <= len(shown) <= 5
    assert done.status.progress == 100


async def test_fenced_attempt_stops_at_its_next_report(
    room: Room, make_attempt: MakeAttempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt_module, "RESOURCE_SECONDS", 0.1)
    stopped = asyncio.Event()

    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        try:
            for done in range(100):
                report(ArchiveProgress(3, 0, 0, 100, done))
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return result(request)

    attempt = await make_attempt(engine)
    taken = await patch_status(room.api, attempt.job, attempt=2, runner="other", phase="Processing")
    assert await attempt.run() is Outcome.FENCED
    assert stopped.is_set()
    assert await now(room, attempt) == taken


async def test_unexpected_error_is_the_attempts_failure(
    room: Room, make_attempt: MakeAttempt
) -> None:
    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        raise ZeroDivisionError("secret of the inside")

    attempt = await make_attempt(engine)
    assert await attempt.run() is Outcome.FAILED
    [failure] = (await now(room, attempt)).status.failures
    assert (failure.reason, failure.retryable) == ("InternalError", True)
    assert "secret" not in failure.message


async def test_job_that_changes_at_the_last_moment_is_completed_nevertheless(
    room: Room, make_attempt: MakeAttempt
) -> None:
    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        await patch_spec(room.api, attempt.job, priority=7, suspend=True)
        return result(request)

    attempt = await make_attempt(engine)
    assert await attempt.run() is Outcome.COMPLETED
    done = await now(room, attempt)
    assert (done.status.phase, done.spec.priority) == (Phase.COMPLETED, 7)


async def test_status_that_the_api_server_refuses_fails_the_attempt_for_good(
    room: Room, make_attempt: MakeAttempt
) -> None:
    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        good = result(request)
        # Longer than the resource takes: it stands for a fault of ours.
        broken = good.archive.model_copy(update={"checksum": "x" * 300})
        return ArchiveResult(broken, good.progress)

    attempt = await make_attempt(engine)
    assert await attempt.run() is Outcome.FAILED
    found = await now(room, attempt)
    [failure] = found.status.failures
    assert (failure.reason, failure.retryable) == ("StatusRefused", False)
    assert found.status.archive is None


async def test_archive_that_is_finished_when_the_stop_comes_counts(
    room: Room, make_attempt: MakeAttempt
) -> None:
    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        attempt.stop(Stop.HAND_BACK)
        return result(request)

    attempt = await make_attempt(engine)
    assert await attempt.run() is Outcome.COMPLETED


async def test_engine_that_fails_while_it_is_stopped_is_no_failure_of_the_job(
    room: Room, make_attempt: MakeAttempt
) -> None:
    async def engine(request: ArchiveRequest, report: Report) -> ArchiveResult:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            raise ArchiveError("StoreUnavailable", "No answer.", retryable=True) from None
        return result(request)

    attempt = await make_attempt(engine)
    running = asyncio.create_task(attempt.run())
    await eventually("the job to be claimed", lambda: now(room, attempt))
    attempt.stop(Stop.HAND_BACK)
    assert await running is Outcome.HANDED_BACK
    assert (await now(room, attempt)).status.failures == ()
