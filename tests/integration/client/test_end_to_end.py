"""From file ids to the archive, with a real operator and real runners."""

import asyncio
import zipfile
from pathlib import Path

import pytest

from tests.integration.client.conftest import Wherry, names_in
from wherry_client import (
    InvalidRequestError,
    JobExpiredError,
    JobFailedError,
    JobNotEndedError,
    JobNotFoundError,
    JobState,
    KeyReusedError,
    SyncWherryClient,
    WherryClient,
)

FILES = {"1": b"one\n" * 100_000, "2": b"two", "3": b""}


def contents(archive: Path) -> set[bytes]:
    """Return the bytes of all entries except the manifest, after a test of their checksums."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        names = [name for name in opened.namelist() if name != "manifest.json"]
        return {opened.read(name) for name in names}


async def test_submit_watch_download(wherry: Wherry, folder: Path) -> None:
    await wherry.bucket.put_files(FILES)
    async with WherryClient(wherry.url) as client:
        job = await client.submit([1, "2", 3], archive_name="drei Dateien ä.zip")
        assert (job.state, job.total_files) == (JobState.QUEUED, 3)
        seen = [status async for status in client.watch(job.job_id)]
        assert seen[-1].state is JobState.COMPLETED
        assert seen[-1].completed_files == 3
        assert [s.progress for s in seen] == sorted(s.progress for s in seen)
        assert seen[-1] == await client.status(job.job_id)
        # Watching a job that has ended yields its last status only.
        assert [s async for s in client.watch(job.job_id)] == seen[-1:]

        saved = await client.download(job.job_id, folder)
        assert saved == folder / "drei Dateien ä.zip"
        assert saved.stat().st_size == seen[-1].size
        assert contents(saved) == set(FILES.values())
        assert names_in(folder) == [saved.name]

        keys = await wherry.bucket.keys("archives/")
        assert saved.read_bytes() == await wherry.bucket.read(keys[0])
        with pytest.raises(FileExistsError, match="exists already"):
            await client.download(job.job_id, saved)
        assert await client.download(job.job_id, saved, overwrite=True) == saved

        await client.cancel(job.job_id)
        assert (await client.status(job.job_id)).state is JobState.COMPLETED
        with pytest.raises(JobNotEndedError):
            await client.retry(job.job_id)


async def test_a_failed_job_can_be_retried(wherry: Wherry, folder: Path) -> None:
    await wherry.bucket.put_files({"1": b"one"})
    async with WherryClient(wherry.url) as client:
        job = await client.submit(["1", "late"])
        *_, last = [status async for status in client.watch(job.job_id)]
        assert last.state is JobState.FAILED
        assert last.error
        details = await client.details(job.job_id)
        assert details.failures[-1].reason == "FilesNotFound"
        assert details.failures[-1].message
        with pytest.raises(JobFailedError):
            await client.download(job.job_id, folder)
        await wherry.bucket.put_files({"late": b"late"})
        again = await client.retry(job.job_id)
        assert again.job_id != job.job_id
        assert (await client.retry(job.job_id)).job_id == again.job_id
        *_, last = [status async for status in client.watch(again.job_id)]
        assert last.state is JobState.COMPLETED
        assert contents(await client.download(again.job_id, folder)) == {b"one", b"late"}


async def test_idempotency_listing_and_refusals(wherry: Wherry) -> None:
    await wherry.bucket.put_files({"1": b"one"})
    async with WherryClient(wherry.url) as client:
        first = await client.submit([1], idempotency_key="k")
        assert (await client.submit(["1"], idempotency_key="k")).job_id == first.job_id
        with pytest.raises(KeyReusedError):
            await client.submit([2], idempotency_key="k")
        with pytest.raises(InvalidRequestError, match="at least one") as caught:
            await client.submit([])
        assert caught.value.problem.faults[0].where == "/file_ids"

        others = {(await client.submit([1])).job_id for _ in range(4)}
        assert {job.job_id async for job in client.list()} == {first.job_id, *others}
        page = await client.page(limit=2)
        assert len(page.jobs) == 2
        assert page.next_cursor
        assert [job async for job in client.list(dead_letters=True)] == []

        for method in (client.status, client.cancel, client.retry):
            with pytest.raises((JobNotFoundError, JobExpiredError)):
                await method("00000000-0000-4000-8000-000000000000")
        with pytest.raises(JobNotFoundError):
            await anext(client.watch("00000000-0000-4000-8000-000000000000"))


async def test_synchronous_client(wherry: Wherry, folder: Path) -> None:
    await wherry.bucket.put_files(FILES)

    def script() -> set[bytes]:
        with SyncWherryClient(wherry.url) as client:
            job = client.submit([1, 2, 3])
            *_, last = client.watch(job.job_id)
            assert last == client.wait(job.job_id) == client.status(job.job_id)
            assert [each.job_id for each in client.list()] == [job.job_id]
            return contents(client.download(job.job_id, folder / "a.zip"))

    assert await asyncio.to_thread(script) == set(FILES.values())
