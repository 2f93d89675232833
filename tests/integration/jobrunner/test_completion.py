"""A queued job becomes an archive; a broken one a recorded failure."""

import io
import zipfile

from tests.harness.history import JobHistory, violations
from tests.harness.jobs import job_becomes, read_job
from tests.harness.processes import fetch
from tests.harness.waiting import eventually
from tests.integration.jobrunner.conftest import Room, StartRunner, delay
from wherry_core.job_snapshot import JobStatus
from wherry_core.redis import job_states
from wherry_core.redis.keys import Keyspace
from wherry_core.resources import Phase


async def test_queued_job_is_claimed_bundled_and_completed(
    room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    runner = start_runner()
    job = await room.queue(archiveName="three.zip")
    done = await job_becomes(room.api, job, Phase.COMPLETED)

    status = done.status
    assert status.archive is not None
    assert status.archive.key == room.folder(job, 1) + "three.zip"
    assert (status.attempt, status.runner, status.progress) == (1, "default-runner-0", 100)
    assert (status.files.total, status.files.completed, status.files.skipped) == (3, 3, 0)
    assert status.bytes.completed == status.bytes.total == 4_003
    assert status.start_time is not None
    assert status.completion_time is not None
    assert [(c.type, c.status, c.reason) for c in status.conditions] == [
        ("Complete", "True", "ArchiveStored")
    ]
    body = await room.bucket.read(status.archive.key)
    assert len(body) == status.archive.size
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert archive.read("1") == b"one\n" * 1_000

    snapshot = await eventually(
        "the completed snapshot",
        lambda: job_states.read(room.redis, room.namespace, job.metadata.name),
        lambda found: found is not None and found.terminal,
    )
    assert snapshot is not None
    assert snapshot.status is JobStatus.COMPLETED
    assert snapshot.archive is not None
    assert snapshot.archive.key == status.archive.key
    await eventually(
        "the runner to sign the job off",
        lambda: room.redis.scard(Keyspace().runner_jobs("default", "default-runner-0", "")),
        lambda count: count == 0,
    )
    await job_history.reach(done.metadata.resource_version)
    assert job_history.phases(job) == ["", "Queued", "Processing", "Completed"]
    assert violations(job_history.changes) == []
    page = fetch(runner.ready_url.replace("/readyz", "/metrics"))
    assert 'wherry_runner_attempts_total{outcome="completed"} 1.0' in page
    labels = 'code="200",resource="downloadjobs/status",verb="PATCH"'
    assert f"wherry_kubernetes_requests_total{{{labels}}} 2.0" in page


async def test_as_many_jobs_at_once_as_there_are_places(
    room: Room, start_runner: StartRunner, job_history: JobHistory
) -> None:
    start_runner(WHERRY_CONCURRENCY="2", **delay(1))
    jobs = [await room.queue() for _ in range(5)]
    for job in jobs:
        done = await job_becomes(room.api, job, Phase.COMPLETED)
    await job_history.reach(done.metadata.resource_version)
    running: set[str] = set()
    most = 0
    for change in job_history.changes:
        working = change.job.status.phase is Phase.PROCESSING
        (running.add if working else running.discard)(change.job.metadata.name)
        most = max(most, len(running))
    assert most == 2


async def test_missing_file_is_recorded_as_a_failure_and_the_job_given_back(
    room: Room, start_runner: StartRunner
) -> None:
    start_runner()
    job = await room.queue("1", "no such file")
    found = await eventually(
        "a failure", lambda: read_job(room.api, job), lambda seen: bool(seen.status.failures)
    )
    assert found.status.phase is Phase.PROCESSING
    assert found.status.runner is None
    [failure] = found.status.failures
    assert (failure.attempt, failure.runner) == (1, "default-runner-0")
    assert not failure.infrastructure
    assert not failure.retryable
    assert "no such file" in failure.message


async def test_simulated_delay_shows_a_processing_job_meanwhile(
    room: Room, start_runner: StartRunner
) -> None:
    start_runner(**delay(2.5))
    job = await room.queue()
    steps = await eventually(
        "several snapshots during the delay",
        lambda: job_states.read(room.redis, room.namespace, job.metadata.name),
        lambda found: found is not None and found.step >= 3,
    )
    assert steps is not None
    assert steps.status is JobStatus.PROCESSING
    done = await job_becomes(room.api, job, Phase.COMPLETED)
    assert done.status.step >= 4
