"""Hostile jobs are refused or end with a reason, and nothing else happens."""

import pytest

from tests.harness.api import JOBS, Api, ApiError
from tests.harness.jobs import job_becomes
from tests.integration.security import hostile_jobs
from tests.integration.security.conftest import FILES, OTHERS, Siege
from wherry_core.resources import DownloadJob, Phase

ENDS = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)


async def untouched(siege: Siege) -> bool:
    """Return whether every object is unchanged."""
    before = {f"files/{name}": body for name, body in FILES.items()} | OTHERS
    return all([await siege.bucket.read(key) == body for key, body in before.items()])


@pytest.mark.parametrize(
    ("what", "body"),
    list(hostile_jobs.refused_bodies()),
    ids=[what.encode("unicode_escape").decode() for what, _ in hostile_jobs.refused_bodies()],
)
async def test_the_api_server_refuses(
    api: Api, namespace: str, what: str, body: dict[str, object]
) -> None:
    with pytest.raises(ApiError) as refused:
        await api.create(JOBS, namespace, body)
    # Above two megabytes its etcd client gives up, which the API server reports as its own error.
    too_large = "larger than max" in str(refused.value)
    assert refused.value.status in {400, 413, 422} or too_large, what


async def test_hostile_jobs_end_with_a_reason_and_harm_nothing(siege: Siege) -> None:
    hostile = list(hostile_jobs.accepted_jobs())
    made = [await siege.create(each.body) for each in hostile]
    good = await siege.create(hostile_jobs.changed())

    for each, job in zip(hostile, made, strict=True):
        ended = await job_becomes(siege.api, job, *ENDS, within=120)
        assert ended.status.phase == each.phase, (each, ended.status)
        if each.reasons:
            assert reason_of(ended) in each.reasons, each
            assert all(failure.message.isprintable() for failure in ended.status.failures), each
            if hostile_jobs.INVALID in each.reasons:
                # A job that can never succeed is not retried.
                assert ended.status.failed_attempts == 1, each
        if each.archive_name is not None:
            assert ended.status.archive is not None
            assert ended.status.archive.name == each.archive_name
            assert ended.status.archive.key.endswith(f"/1/{each.archive_name}")
    assert (await job_becomes(siege.api, good, *ENDS)).status.phase is Phase.COMPLETED

    uids = {job.metadata.uid for job in [*made, good]}
    assert siege.store.seen
    assert siege.stray_requests(uids) == []
    assert await untouched(siege)
    folders = tuple(f"archives/{siege.namespace}/{uid}/" for uid in uids)
    expected = {*OTHERS, *(f"files/{name}" for name in FILES)}
    for key in await siege.bucket.keys():
        assert key in expected or key.startswith(folders), key
    entries = siege.entries()
    assert any(entry["logger"].startswith("wherry_jobrunner") for entry in entries)
    assert not [entry for entry in entries if entry["message"] == "forged"]
    assert not [entry for entry in entries if entry["level"] in {"error", "critical"}]


def reason_of(job: DownloadJob) -> str:
    """Return the reason of the condition Failed."""
    return next(each.reason for each in job.status.conditions if each.type == "Failed")
