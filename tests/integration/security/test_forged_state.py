"""A status and Redis entries that an attacker wrote do no harm."""

import contextlib
from typing import Any

from tests.harness.api import ApiError
from tests.harness.jobs import job_becomes, patch_status, read_job
from tests.integration.security import hostile_jobs
from tests.integration.security.conftest import Siege
from wherry_core.job_snapshot import JobSnapshot, JobStatus, snapshot_of
from wherry_core.redis import keys
from wherry_core.redis.keys import Keyspace
from wherry_core.resources import DownloadJob, Phase

MOMENT = "2030-01-01T00:00:00Z"


async def good_job_completes(siege: Siege) -> None:
    good = await siege.create(hostile_jobs.changed())
    ended = await job_becomes(siege.api, good, Phase.COMPLETED, Phase.FAILED)
    assert ended.status.phase is Phase.COMPLETED


def foreign_objects(siege: Siege, job: DownloadJob) -> list[tuple[str, str]]:
    """Return bucket and key of objects that are not results of the job."""
    own, bucket = f"archives/{siege.namespace}/{job.metadata.uid}", siege.bucket.name
    theirs = "archives/other-tenant/5f0c/1/theirs.zip"
    return [
        (bucket, theirs),
        (bucket, f"{own}/../../other-tenant/5f0c/1/theirs.zip"),
        (bucket, f"files/../{theirs}"),
        (bucket, f"files/%2e%2e/{theirs}"),
        (bucket, f"/{theirs}"),
        (bucket, f"archives/{siege.namespace}/another-job/1/x.zip"),
        ("another-bucket", f"{own}/1/x.zip"),
        ("another-bucket", "files/1"),
    ]


async def suspended(siege: Siege) -> DownloadJob:
    """Return a job that no runner claims."""
    return await siege.create(hostile_jobs.changed({"suspend": True}))


async def refuses_to_sign(siege: Siege, job: DownloadJob, where: object) -> None:
    answer = await siege.client.get(f"/v1/download/{job.metadata.name}")
    assert answer.status_code in {404, 409}, (where, answer.text)
    assert "location" not in answer.headers
    assert "Signature" not in answer.text


async def test_a_forged_result_is_never_signed(siege: Siege) -> None:
    job = await suspended(siege)
    for bucket, key in foreign_objects(siege, job):
        archive = {"bucket": bucket, "key": key, "name": "x.zip", "size": 1, "checksum": ""}
        forged = await suspended(siege)
        archive["key"] = key.replace(job.metadata.uid, forged.metadata.uid)
        await patch_status(
            siege.api, forged, phase="Completed", completionTime=MOMENT, archive=archive
        )
        await siege.redis.delete(Keyspace().job_state(siege.namespace, forged.metadata.name))
        await refuses_to_sign(siege, forged, (bucket, key))


async def test_a_forged_snapshot_is_never_signed(siege: Siege) -> None:
    job = await suspended(siege)
    archive = {"bucket": "", "key": "", "name": "x.zip"}
    for bucket, key in foreign_objects(siege, job):
        snapshot = snapshot_of(job).model_dump(mode="json", by_alias=True, exclude_none=True)
        archive |= {"bucket": bucket, "key": key}
        for uid in (job.metadata.uid, "5f0c", "../other-tenant/5f0c"):
            forged = JobSnapshot.model_validate(
                snapshot | {"status": "completed", "uid": uid, "archive": archive}
            )
            where = Keyspace().job_state(siege.namespace, job.metadata.name)
            await siege.redis.hset(where, "snapshot", forged.model_dump_json(by_alias=True))
            await refuses_to_sign(siege, job, (bucket, key, uid))


FORGED: list[dict[str, Any]] = [
    {"phase": "Processing", "attempt": 2**31 - 1, "runner": "nobody"},
    {"phase": "Processing", "attempt": 2**31 - 1, "runner": "default-runner-0"},
    {"phase": "Processing", "attempt": 1, "runner": "../../nodes/x"},
    {"phase": "Queued", "attempt": 2**31 - 1},
    {"phase": "Queued", "attempt": 1, "step": 2**63 - 1, "failedAttempts": 2**31 - 1},
    {"phase": "Queued", "attempt": 1, "nextAttemptTime": "9999-12-31T23:59:59Z"},
    {"phase": "Queued", "attempt": 1, "queuedTime": "0001-01-01T00:00:00Z"},
    {"phase": "Processing", "attempt": 1, "startTime": "0001-01-01T00:00:00Z"},
    {"phase": "Failed", "completionTime": "9999-12-31T23:59:59Z"},
    {"phase": "Completed", "completionTime": "0001-01-01T00:00:00Z"},
    {"phase": "Cancelled"},
    {"lostAttempts": 2**31 - 1, "observedGeneration": 2**63 - 1},
]


async def test_a_forged_status_harms_only_its_own_job(siege: Siege) -> None:
    for forged in FORGED:
        job = await siege.create(hostile_jobs.changed())
        # The operator may write first: the API server refuses a change of a terminal phase.
        with contextlib.suppress(ApiError):
            await patch_status(siege.api, job, **{"attempt": 1, **forged})
        # The operator survives each of them.
        await good_job_completes(siege)
    assert siege.operator.running


RUBBISH: list[bytes] = [
    *(b"junk", b"", b"a/b/c", b"../x", b"kube-system/coredns", b"\xff\xfe/\x00", b"x" * 100_000),
]


async def test_rubbish_in_the_queue_is_dropped(siege: Siege) -> None:
    for member in RUBBISH:
        await siege.redis.zadd(Keyspace().queue("default"), {member: -1.0})
    await good_job_completes(siege)
    assert siege.stray_requests({job.metadata.uid for job in await all_jobs(siege)}) == []


async def test_rubbish_for_a_snapshot_hides_nothing(siege: Siege) -> None:
    job = await suspended(siege)
    where = Keyspace().job_state(siege.namespace, job.metadata.name)
    for text in (b"{", b'{"status":"completed"}', b"\xff", None):
        if text is None:
            await siege.redis.delete(where)
            await siege.redis.set(where, "no hash at all")
        else:
            await siege.redis.hset(where, "snapshot", text)
        answer = await siege.client.get(f"/v1/download/status/{job.metadata.name}")
        assert answer.status_code == 200, (text, answer.text)
        assert answer.json()["status"] == "queued"
    await good_job_completes(siege)


async def test_a_message_on_the_channel_of_a_name_reaches_only_its_own_tenant(
    siege: Siege,
) -> None:
    job = await suspended(siege)
    snapshot = snapshot_of(await read_job(siege.api, job)).model_copy(
        update={
            "namespace": "other-tenant",
            "status": JobStatus.FAILED,
            "error": "theirs",
            "attempt": 9,
        }
    )
    async with siege.client.stream("GET", f"/v1/download/stream/{job.metadata.name}") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines)
        channel = keys.job_updates(job.metadata.name)
        rubbish = (b"{", b"\x00", b"\xff", b'{"uid": 1}')
        for text in (snapshot.model_dump_json(by_alias=True), *rubbish):
            await siege.redis.publish(channel, text)
        await siege.api.patch(
            "wherry.dev/v1/downloadjobs",
            siege.namespace,
            job.metadata.name,
            {"spec": {"suspend": False}},
        )
        received = [line async for line in lines]
    assert not any("theirs" in line for line in received)
    assert any("completed" in line for line in received)


async def all_jobs(siege: Siege) -> list[DownloadJob]:
    found = await siege.api.list_all("wherry.dev/v1/downloadjobs", siege.namespace)
    return [DownloadJob.model_validate(each) for each in found]
