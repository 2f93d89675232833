"""A runner resumes an upload that Redis names only if it belongs to the same job."""

import uuid

import orjson
import pytest

from tests.harness.buckets import Bucket
from wherry_core import object_store
from wherry_core.redis import keys
from wherry_core.redis.client import Redis
from wherry_core.redis.keys import Keyspace
from wherry_core.resources import OnMissing
from wherry_jobrunner.archive import ArchiveRequest, ArchiveResult, bundle

THEIRS = "archives/team-b/5f0c/1/theirs.zip"


def request(uid: str, attempt: int) -> ArchiveRequest:
    return ArchiveRequest(
        namespace="team-a",
        uid=uid,
        attempt=attempt,
        file_ids=("1", "2"),
        archive_name="x.zip",
        on_missing=OnMissing.FAIL,
        job="team-a/job",
    )


async def make(store: Bucket, redis: Redis, uid: str, attempt: int = 2) -> ArchiveResult:
    async with object_store.connect(store.settings) as client:
        return await bundle(
            request(uid, attempt), client, store.settings, report=lambda _: None, redis=redis
        )


@pytest.mark.parametrize("way", ["theirs", "a file", "dots", "another bucket"])
async def test_no_upload_or_object_of_others_is_touched(
    in_store: Bucket, redis: Redis, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    uid = str(uuid.uuid4())
    await in_store.put_files({"1": b"one", "2": b"two"})
    own = f"archives/team-a/{uid}/1/x.zip"
    key = {"theirs": THEIRS, "a file": "files/3", "dots": f"{own}/../../../../{THEIRS}"}.get(
        way, own
    )
    other = await in_store_other(in_store) if way == "another bucket" else in_store.name
    async with in_store.connect() as client:
        begun = await client.create_multipart_upload(Bucket=in_store.name, Key=THEIRS)
        part = await client.upload_part(
            Bucket=in_store.name, Key=THEIRS, UploadId=begun["UploadId"], PartNumber=1, Body=b"x"
        )
        note = [part["ETag"].strip('"'), 1, None, None, []]
        # The digest of the coming plan, which an attacker with access to Redis may have read there.
        for digest in ("", "x"):
            head = orjson.dumps([digest, other, key, begun["UploadId"], False])
            await redis.hset(
                keys.archive_parts(uid), mapping={"upload": head, "1": orjson.dumps(note)}
            )
        result = await make(in_store, redis, uid)
        assert result.archive.key == f"archives/team-a/{uid}/2/x.zip"
        listed = await client.list_parts(
            Bucket=in_store.name, Key=THEIRS, UploadId=begun["UploadId"]
        )
    assert [each["PartNumber"] for each in listed["Parts"]] == [1]
    assert "does not belong to this job" in caplog.text


async def in_store_other(store: Bucket) -> str:
    """Return the name of another bucket of the same store."""
    name = f"{store.name}-other"
    store.store.make_bucket(name)
    return name


@pytest.mark.parametrize("text", [b"{", b"[]", b"[1]", b"\xff", b"null", b'["a","b","c","d","e"]'])
async def test_a_journal_and_heads_that_are_rubbish_only_cost_time(
    in_store: Bucket, redis: Redis, text: bytes
) -> None:
    uid = str(uuid.uuid4())
    await in_store.put_files({"1": b"one", "2": b"two"})
    await redis.hset(keys.archive_parts(uid), mapping={"upload": text, "1": text, "x": text})
    endpoint = in_store.store.endpoint
    for name in ("1", "2"):
        await redis.set(Keyspace().object_head(endpoint, in_store.name, f"files/{name}"), text)
    assert (await make(in_store, redis, uid)).progress.completed_files == 2
