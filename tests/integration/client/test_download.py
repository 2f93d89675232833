"""An archive is complete, however often its download is interrupted, or has no final name."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.harness.buckets import Bucket
from tests.harness.processes import ComponentProcess
from tests.harness.waiting import eventually
from tests.integration.client.conftest import (
    MakeProxy,
    SimulatedJob,
    SimulateJob,
    StartApi,
    archive_of,
    names_in,
    url_of,
)
from tests.integration.client.fault_proxy import FaultProxy
from wherry_client import DownloadError, JobNotReadyError, UnreachableError, WherryClient
from wherry_client.download import Download, DownloadOptions
from wherry_client.part_file import PartFile

MIB = 1_048_576
ARCHIVE = archive_of(12 * MIB)


@pytest.fixture
async def store(bucket: Bucket, make_proxy: MakeProxy) -> FaultProxy:
    """The proxy between clients and the store."""
    return await make_proxy(urlsplit(bucket.store.endpoint).port or 0)


@pytest.fixture
def server(start_api: StartApi, store: FaultProxy) -> ComponentProcess:
    return start_api(WHERRY_S3_PUBLIC_ENDPOINT_URL=store.url, PRESIGNED_URL_EXPIRY_SECONDS="2")


@pytest.fixture
async def client(server: ComponentProcess) -> AsyncIterator[WherryClient]:
    async with WherryClient(url_of(server)) as connected:
        yield connected


@pytest.fixture
async def simulated(client: WherryClient, simulate_job: SimulateJob) -> SimulatedJob:
    job = await simulate_job(client)
    await job.complete(ARCHIVE)
    return job


def ranges(store: FaultProxy) -> list[str]:
    """Return the Range headers of all requests to the store, in their order."""
    found = []
    for head in store.heads:
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        found.append({name.lower(): value for name, value in fields.items()}.get("range", ""))
    return found


async def test_a_download_resumes_after_every_cut(
    client: WherryClient, simulated: SimulatedJob, store: FaultProxy, folder: Path
) -> None:
    store.cut_after = [3 * MIB, 200_000, 2 * MIB]
    reported: list[int] = []
    path = folder / "out.zip"
    await client.download(
        simulated.job.metadata.name, path, on_bytes=lambda done, size: reported.append(done)
    )
    assert path.read_bytes() == ARCHIVE
    assert names_in(folder) == ["out.zip"]
    requested = ranges(store)
    assert requested[0] == ""
    offsets = [int(each.removeprefix("bytes=").removesuffix("-")) for each in requested[1:]]
    assert len(offsets) == 3
    assert 2 * MIB < offsets[0] < offsets[1] < offsets[2]
    assert reported == sorted(reported)
    assert reported[-1] == len(ARCHIVE)


async def test_a_cancellation_during_a_write_leaves_a_valid_part(
    client: WherryClient, simulated: SimulatedJob, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes, slow = threading.Semaphore(0), threading.Event()
    write = PartFile.write

    def write_slowly(part: PartFile, data: bytes) -> None:
        writes.release()
        if data:
            slow.wait(30)
        write(part, data)

    monkeypatch.setattr(PartFile, "write", write_slowly)
    path, part = folder / "out.zip", folder / "out.zip.part"
    download = asyncio.create_task(client.download(simulated.job.metadata.name, path))
    await asyncio.to_thread(writes.acquire, timeout=30)
    download.cancel()
    await asyncio.sleep(0.05)
    slow.set()
    with pytest.raises(asyncio.CancelledError):
        await download
    kept = part.read_bytes()
    assert 0 < len(kept) < len(ARCHIVE)
    assert ARCHIVE.startswith(kept)
    await client.download(simulated.job.metadata.name, path)
    assert path.read_bytes() == ARCHIVE


async def test_an_expired_signed_url_is_replaced(
    client: WherryClient, simulated: SimulatedJob, store: FaultProxy, folder: Path
) -> None:
    # The signed URL expires after 2 s, and the connection hangs for longer before it is cut.
    store.cut_after, store.hold_before_cut = [3 * MIB], 3.5
    path = await client.download(simulated.job.metadata.name, folder / "out.zip")
    assert path.read_bytes() == ARCHIVE
    targets = [head.split(" ")[1] for head in store.heads]
    assert len(targets) == 3
    assert targets[0] == targets[1] != targets[2]
    assert ranges(store)[1] == ranges(store)[2] != ""


async def test_another_process_resumes_the_download(
    server: ComponentProcess,
    client: WherryClient,
    simulated: SimulatedJob,
    store: FaultProxy,
    folder: Path,
) -> None:
    path, job_id = folder / "out.zip", simulated.job.metadata.name
    store.cut_after, store.hold_before_cut = [5 * MIB], 60
    first = asyncio.create_task(client.download(job_id, path))
    part = folder / "out.zip.part"
    await eventually("a part", lambda: part.exists() and part.stat().st_size >= 3 * MIB)
    with pytest.raises(DownloadError, match="in progress"):
        await client.download(job_id, path)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    kept = part.stat().st_size
    assert not path.exists()
    async with WherryClient(url_of(server)) as later:
        await later.download(job_id, path)
    assert path.read_bytes() == ARCHIVE
    assert ranges(store)[-1] == f"bytes={kept}-"


async def test_a_part_of_another_archive_is_discarded(
    client: WherryClient, simulated: SimulatedJob, store: FaultProxy, folder: Path
) -> None:
    job_id = simulated.job.metadata.name
    part, record = folder / "out.zip.part", folder / "out.zip.part.json"
    other = {"job_id": job_id, "etag": '"other"', "size": len(ARCHIVE)}
    for text in (json.dumps(other), json.dumps(other | {"job_id": "x"}), "{"):
        part.write_bytes(b"wrong" * 1_000)
        record.write_text(text)
        path = await client.download(job_id, folder / "out.zip", overwrite=True)
        assert path.read_bytes() == ARCHIVE
    assert "bytes=5000-" in ranges(store)


async def test_a_complete_part_only_needs_its_name(
    client: WherryClient, simulated: SimulatedJob, store: FaultProxy, folder: Path
) -> None:
    job_id = simulated.job.metadata.name
    path = await client.download(job_id, folder / "out.zip")
    head = next(iter(store.heads))
    assert "authorization" not in head.lower()
    etag = await _etag(simulated)
    path.rename(folder / "again.zip.part")
    record = {"job_id": job_id, "etag": etag, "size": len(ARCHIVE)}
    (folder / "again.zip.part.json").write_text(json.dumps(record))
    again = await client.download(job_id, folder / "again.zip")
    assert again.read_bytes() == ARCHIVE
    assert names_in(folder) == ["again.zip"]


async def _etag(simulated: SimulatedJob) -> str:
    key = next(iter(await simulated.bucket.keys("archives/")))
    async with simulated.bucket.connect() as store:
        return str((await store.head_object(Bucket=simulated.bucket.name, Key=key))["ETag"])


async def test_an_unavailable_store_leaves_the_part(
    client: WherryClient, simulated: SimulatedJob, store: FaultProxy, folder: Path
) -> None:
    store.cut_after, store.refuses_after_cut = [5 * MIB], True
    download = Download(
        client._requests,
        client._store,
        simulated.job.metadata.name,
        options=DownloadOptions(tries=2),
    )
    with pytest.raises(UnreachableError, match="does not deliver the archive"):
        await download.run(folder / "out.zip", overwrite=False)
    assert (folder / "out.zip.part").stat().st_size > MIB
    store.refuses = False
    path = await client.download(simulated.job.metadata.name, folder / "out.zip")
    assert path.read_bytes() == ARCHIVE


async def test_an_archive_of_another_size_is_refused(
    client: WherryClient, simulated: SimulatedJob, folder: Path
) -> None:
    key = next(iter(await simulated.bucket.keys("archives/")))
    async with simulated.bucket.connect() as store:
        await store.put_object(Bucket=simulated.bucket.name, Key=key, Body=ARCHIVE[:-1])
    with pytest.raises(DownloadError, match="bytes"):
        await client.download(simulated.job.metadata.name, folder / "out.zip")
    assert names_in(folder) == []


async def test_a_job_that_has_not_completed_has_no_archive(
    client: WherryClient, simulate_job: SimulateJob, folder: Path
) -> None:
    job = await simulate_job(client)
    with pytest.raises(JobNotReadyError, match="queued"):
        await client.download(job.job.metadata.name, folder / "out.zip")
    assert names_in(folder) == []
    with pytest.raises(FileNotFoundError):
        await client.download(job.job.metadata.name, folder / "none" / "out.zip")
