"""Objects that change between two jobs, or between two attempts: never a wrong archive."""

import asyncio
import io
import zipfile
from typing import Any

import pytest
from aiohttp import web

from tests.integration.archive import faulty_proxy as faults
from tests.integration.archive.conftest import Bench, store_settings
from tests.integration.archive.faulty_proxy import faulty_proxy
from tests.integration.archive.test_streaming import pattern
from wherry_core import object_store
from wherry_core.redis import keys
from wherry_jobrunner.archive import ArchiveError, ArchiveSettings

MIB = 1 << 20


async def members(bench: Bench, ids: list[str], **more: Any) -> dict[str, bytes]:
    """Bundle ``ids`` and return what the archive holds."""
    result = await bench.bundle(ids, **more)
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        return {name: opened.read(name) for name in opened.namelist() if name != "manifest.json"}


async def test_an_empty_object_that_is_replaced_between_two_jobs_is_not_empty_in_the_second(
    bench: Bench, redis: Any
) -> None:
    bench.redis = redis
    await bench.put("empty", b"")
    await bench.put("one", b"1")
    assert await members(bench, ["empty", "one"]) == {"empty": b"", "one": b"1"}
    await bench.put("empty", pattern(1, 23_000))
    second = await members(bench, ["empty", "one"], attempt=2)
    assert second == {"empty": pattern(1, 23_000), "one": b"1"}


async def test_an_object_that_becomes_empty_or_goes_between_two_jobs(
    bench: Bench, redis: Any
) -> None:
    bench.redis = redis
    for name in ("full", "gone", "one"):
        await bench.put(name, pattern(1, 23_000))
    await members(bench, ["full", "gone", "one"])
    await bench.put("full", b"")
    await bench.client.delete_object(Bucket=bench.store.bucket, Key=f"{bench.folder}/gone")
    with pytest.raises(ArchiveError) as failed:
        await members(bench, ["full", "gone", "one"], attempt=2)
    assert failed.value.reason == "FilesNotFound"
    assert (await members(bench, ["full", "one"], attempt=3))["full"] == b""


@pytest.mark.parametrize("copy_mode", ["auto", "never"])
async def test_a_stale_head_of_an_earlier_job_costs_no_attempt(
    bench: Bench, redis: Any, copy_mode: str
) -> None:
    bench.redis = redis
    bench.tuning = ArchiveSettings(WHERRY_ARCHIVE_STORE_COPIES=copy_mode)
    await bench.put("large", pattern(1, 12 * MIB))
    await bench.put("small", b"small")
    await members(bench, ["large", "small"])
    await bench.put("large", pattern(2, 12 * MIB))
    await bench.put("small", b"another")
    second = await members(bench, ["large", "small"], attempt=2)
    assert second == {"large": pattern(2, 12 * MIB), "small": b"another"}
    assert await bench.uploads() == []


async def test_an_empty_object_that_is_replaced_during_the_job_is_noticed(bench: Bench) -> None:
    async with faulty_proxy(bench.store.endpoint) as proxy:
        bench.settings = store_settings(bench.store, bench.folder, endpoint=proxy.address)
        await bench.put("empty", b"")
        await bench.put("one", b"1")

        async def replace(request: web.Request, _: object) -> web.StreamResponse | None:
            if faults.is_source_read(request):
                await bench.put("empty", b"no longer")
            return None

        proxy.fault = replace
        async with object_store.connect(bench.settings) as client:
            direct, bench.client = bench.client, client
            with pytest.raises(ArchiveError) as failed:
                await bench.bundle(["empty", "one"])
            bench.client = direct
    assert failed.value.reason == "SourceChanged"
    assert failed.value.retryable
    assert "file id 'empty'" in failed.value.message
    assert await bench.archives() == []
    assert await bench.uploads() == []


async def test_parts_of_an_earlier_attempt_count_only_while_their_objects_are_the_same(
    bench: Bench, redis: Any
) -> None:
    """The heads are in the cache, the parts in the journal: nothing of the object is read again."""
    bench.redis = redis
    contents = {f"file {n}": pattern(n, 9 * MIB) for n in range(12)}
    for name, body in contents.items():
        await bench.put(name, body)
    bench.tuning = ArchiveSettings(
        WHERRY_ARCHIVE_STORE_COPIES="never", WHERRY_ARCHIVE_BUDGET_MIB=48
    )
    first: asyncio.Task[Any] = asyncio.create_task(bench.bundle(list(contents)))
    while await redis.hlen(keys.archive_parts(bench.uid)) < 6:
        assert not first.done()
        await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    contents["file 0"] = pattern(99, 9 * MIB)
    await bench.put("file 0", contents["file 0"])
    assert await members(bench, list(contents), attempt=2) == contents
    assert await bench.uploads() == []
