"""What no job owns is removed from the store, and nothing else."""

from tests.harness import jobs
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated

UNKNOWN_UID = "0e2d2b6c-6d6c-4f3c-9c1e-5b5f4b1f2a3c"


async def test_unowned_archives_and_uploads_are_removed_and_nothing_else(
    operated: Operated,
) -> None:
    await operated.create_pool()
    operated.start_operator(WHERRY_ARCHIVE_SWEEP_SECONDS="1", WHERRY_ORPHAN_AGE_SECONDS="0")
    job = await jobs.create_job(operated.api, operated.namespace, ["1"])
    runner = operated.runner()
    await runner.start()
    claimed = await runner.take()
    bucket, here = operated.bucket.name, operated.namespace
    owned = f"archives/{here}/{claimed.metadata.uid}/1"
    kept = {
        f"{owned}/a.zip",
        f"archives/another/{UNKNOWN_UID}/1/a.zip",
        f"archives/{here}/not-ours.txt",
        f"files/{here}/{UNKNOWN_UID}/1/a.zip",
    }
    unowned = {f"archives/{here}/{UNKNOWN_UID}/1/a.zip", f"archives/{here}/{UNKNOWN_UID}/2/b.zip"}
    async with operated.bucket.connect() as store:
        for key in kept | unowned:
            await store.put_object(Bucket=bucket, Key=key, Body=b"x")
        for key in (f"{owned}/a.zip", f"archives/{here}/{UNKNOWN_UID}/3/c.zip"):
            await store.create_multipart_upload(Bucket=bucket, Key=key)
        await eventually(
            "only owned and foreign objects to be left",
            operated.bucket.keys,
            lambda seen: set(seen) == kept,
        )
        await eventually(
            "only the owned upload to be left",
            operated.bucket.uploads,
            lambda seen: seen == [f"{owned}/a.zip"],
        )
    assert job.metadata.uid == claimed.metadata.uid
