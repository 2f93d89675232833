"""Faults between engine and store: the right error, and never a wrong archive."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from tests.integration.archive import faulty_proxy as faults
from tests.integration.archive.conftest import Bench, store_settings
from tests.integration.archive.faulty_proxy import FaultyProxy, times
from tests.integration.archive.test_streaming import pattern
from wherry_core import object_store
from wherry_core.resources.download_job import OnMissing
from wherry_jobrunner.archive import ArchiveError, ArchiveSettings

MIB = 1 << 20


@pytest.fixture
async def contents(bench: Bench) -> dict[str, bytes]:
    files = {"a": pattern(1, 12 * MIB), "b": b"small", "c": pattern(2, MIB)}
    for name, body in files.items():
        await bench.put(name, body)
    return files


@pytest.fixture
async def proxy(bench: Bench) -> AsyncIterator[FaultyProxy]:
    """Put a proxy before the store; the bench's own client then goes through it."""
    async with faults.faulty_proxy(bench.store.endpoint) as running:
        bench.settings = store_settings(bench.store, bench.folder, endpoint=running.address)
        bench.tuning = ArchiveSettings(
            WHERRY_ARCHIVE_STORE_COPIES="never", WHERRY_ARCHIVE_REQUEST_ATTEMPTS=4
        )
        async with object_store.connect(bench.settings) as client:
            bench.client = client
            yield running


async def check_archive(bench: Bench, contents: dict[str, bytes]) -> None:
    result = await bench.bundle(list(contents))
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        assert {name: opened.read(name) for name in contents} == contents


@pytest.mark.parametrize(
    "fault",
    [faults.slow_down, faults.cut_in_the_middle, faults.truncated_body, faults.wrong_bytes],
)
async def test_passing_faults_are_retried(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes], fault: faults.Fault
) -> None:
    proxy.fault = times(2, fault)
    await check_archive(bench, contents)


@pytest.mark.parametrize(
    "fault", [faults.slow_down, faults.truncated_body, faults.cut_in_the_middle]
)
async def test_lasting_faults_fail_the_attempt_and_leave_nothing(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes], fault: faults.Fault
) -> None:
    # Each retry gets half of the remaining bytes, so a few bytes need more retries than allowed.
    proxy.fault = fault
    with pytest.raises(ArchiveError) as failed:
        await bench.bundle(list(contents))
    assert failed.value.reason == "StoreUnavailable"
    assert failed.value.retryable
    assert "127.0.0.1" not in failed.value.message
    assert await bench.uploads() == []
    assert await bench.archives() == []


@pytest.mark.parametrize("copy_mode", ["auto", "never"])
async def test_an_object_replaced_meanwhile_fails_with_its_name(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes], copy_mode: str, redis: object
) -> None:
    bench.redis = redis
    bench.tuning = ArchiveSettings(WHERRY_ARCHIVE_STORE_COPIES=copy_mode)
    replaced = asyncio.Event()

    async def replace(request: web.Request, through: FaultyProxy) -> web.StreamResponse | None:
        if faults.is_source_read(request) and not replaced.is_set():
            replaced.set()
            await bench.put("a", pattern(9, 12 * MIB))
            await bench.put("c", pattern(8, MIB))
        return None

    proxy.fault = replace
    with pytest.raises(ArchiveError) as failed:
        await bench.bundle(list(contents))
    assert failed.value.reason == "SourceChanged"
    assert failed.value.retryable
    assert "file id 'a'" in failed.value.message or "file id 'c'" in failed.value.message
    assert await bench.archives() == []
    # The next attempt does not trust what was known of the objects.
    contents |= {"a": pattern(9, 12 * MIB), "c": pattern(8, MIB)}
    await check_archive(bench, contents)


async def test_a_store_that_ignores_the_etag_is_noticed(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes]
) -> None:
    async def other_etag(request: web.Request, through: FaultyProxy) -> web.StreamResponse | None:
        if not faults.is_source_read(request):
            return None
        status, headers, body = await through.forward(request)
        kept = {name: value for name, value in headers.items() if name.lower() != "etag"}
        return web.Response(status=status, headers=kept | {"ETag": '"other"'}, body=body)

    proxy.fault = other_etag
    with pytest.raises(ArchiveError) as failed:
        await bench.bundle(list(contents))
    assert failed.value.reason == "SourceChanged"


async def test_refused_access_is_not_tried_again(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes]
) -> None:
    async def forbid(request: web.Request, through: FaultyProxy) -> web.StreamResponse | None:
        return web.Response(status=403) if faults.is_source_read(request) else None

    proxy.fault = forbid
    with pytest.raises(ArchiveError) as failed:
        await bench.bundle(list(contents), on_missing=OnMissing.MANIFEST)
    assert failed.value.reason == "StoreAccessDenied"
    assert not failed.value.retryable


async def test_a_completion_whose_answer_is_lost_is_found_done(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes]
) -> None:
    async def lose_answer(request: web.Request, through: FaultyProxy) -> web.StreamResponse | None:
        if request.method == "POST" and "uploadId" in request.query:
            await through.forward(request)
            return web.Response(status=500, text="<Error><Code>InternalError</Code></Error>")
        return None

    proxy.fault = times(1, lose_answer)
    await check_archive(bench, contents)


async def test_a_store_that_stops_copying_is_streamed_from(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes]
) -> None:
    bench.tuning = ArchiveSettings(WHERRY_ARCHIVE_STORE_COPIES="auto", WHERRY_ARCHIVE_COPY_MIB=5)
    await check_archive(bench, contents)

    async def no_copies(request: web.Request, through: FaultyProxy) -> web.StreamResponse | None:
        if "x-amz-copy-source" in request.headers:
            return web.Response(status=501, text="<Error><Code>NotImplemented</Code></Error>")
        return None

    proxy.fault = no_copies
    await check_archive(bench, contents)


def damaged(body: bytearray) -> bytes:
    body[len(body) // 2] ^= 1
    return bytes(body)


def cut_short(body: bytearray) -> bytes:
    return bytes(body[: len(body) // 2])


@pytest.mark.parametrize("spoil", [damaged, cut_short])
async def test_a_part_without_a_checksum_is_looked_at_before_the_archive_counts(
    bench: Bench, proxy: FaultyProxy, spoil: Callable[[bytearray], bytes]
) -> None:
    contents = {"large": pattern(1, 70 * MIB), "b": b"small"}
    for name, body in contents.items():
        await bench.put(name, body)
    # A part that is too large for memory goes through without a checksum of its own.
    bench.tuning = ArchiveSettings(
        WHERRY_ARCHIVE_STORE_COPIES="never",
        WHERRY_ARCHIVE_PART_MIB=32,
        WHERRY_ARCHIVE_BUDGET_MIB=48,
    )
    await check_archive(bench, contents)
    async with object_store.connect(store_settings(bench.store, bench.folder)) as direct:

        async def store_other_bytes(
            request: web.Request, through: FaultyProxy
        ) -> web.StreamResponse | None:
            if not faults.is_part_upload(request) or (request.content_length or 0) < 16 * MIB:
                return None
            assert "Content-MD5" not in request.headers
            assert "x-amz-checksum-crc32" not in request.headers
            answer = await direct.upload_part(
                Bucket=bench.store.bucket,
                Key=request.path.removeprefix(f"/{bench.store.bucket}/"),
                UploadId=request.query["uploadId"],
                PartNumber=int(request.query["partNumber"]),
                Body=spoil(bytearray(await request.read())),
            )
            return web.Response(headers={"ETag": answer["ETag"]})

        proxy.fault = times(1, store_other_bytes)
        with pytest.raises(ArchiveError) as failed:
            await bench.bundle(list(contents))
    assert failed.value.reason == "ArchiveVerificationFailed"
    assert failed.value.retryable


async def test_retries_and_bytes_are_counted(
    bench: Bench, proxy: FaultyProxy, contents: dict[str, bytes]
) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"wherry_runner_{name}_total", labels) or 0.0

    size = sum(map(len, contents.values()))
    before = counted("moved_bytes", way="read"), counted("moved_bytes", way="written")
    retries = counted("request_retries", cause="status")
    proxy.fault = times(2, faults.slow_down)
    await check_archive(bench, contents)
    assert counted("request_retries", cause="status") == retries + 2
    assert counted("moved_bytes", way="read") == before[0] + size
    assert counted("moved_bytes", way="written") > before[1] + size
