"""What all ways of making an archive have in common, and which programs can read it."""

import asyncio
import base64
import hashlib
import io
import json
import re
import subprocess
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from localcluster import ports
from tests.integration.archive.conftest import Bench
from tests.integration.archive.test_streaming import pattern
from wherry_core.redis import keys
from wherry_core.resources.download_job import OnMissing
from wherry_jobrunner.archive import ArchiveError, ArchiveSettings

MIB = 1 << 20
JAVA_READER = """
import java.io.*;
import java.util.zip.*;
public class Read {
    public static void main(String[] names) throws Exception {
        ZipInputStream in = new ZipInputStream(new FileInputStream(names[0]));
        for (ZipEntry e = in.getNextEntry(); e != null; e = in.getNextEntry()) {
            System.out.println(e.getName() + " " + in.readAllBytes().length);
        }
    }
}
"""


async def fill(bench: Bench) -> dict[str, bytes]:
    contents = {
        "empty": b"",
        "first large": pattern(1, 25 * MIB + 3),
        "ünï 日本.txt": b"text" * 100,
        "middle": pattern(2, 5 * MIB),
        "second large": pattern(3, 17 * MIB),
        "a/b/c": b"deep",
    }
    for name, body in contents.items():
        await bench.put(name, body)
    return contents


async def test_streamed_and_copied_archives_are_the_same_bytes(bench: Bench) -> None:
    contents = await fill(bench)
    digests = []
    for mode in ("never", "auto"):
        bench.tuning = ArchiveSettings(WHERRY_ARCHIVE_STORE_COPIES=mode, WHERRY_ARCHIVE_COPY_MIB=8)
        result = await bench.bundle(list(contents), attempt=1 if mode == "auto" else 2)
        digests.append(hashlib.sha256(await bench.get(result.archive.key)).hexdigest())
        beside = json.loads(await bench.get(result.archive.manifest_key or ""))
        by_name = {item["id"]: item for item in beside["files"]}
        assert ("sha256" in by_name["first large"]) == (mode == "never")
        small = hashlib.sha256(contents["a/b/c"]).hexdigest()
        assert by_name["a/b/c"]["sha256"] == small
    assert digests[0] == digests[1]


@pytest.mark.parametrize("all_of_them", [True, False])
async def test_ranges_of_objects_with_a_crc32_of_their_own_are_copied_rightly(
    bench: Bench, all_of_them: bool
) -> None:
    # versitygw returns the CRC-32 of the whole source object as that of a copied range.
    contents = {f"file {n}": pattern(n, (5 + 3 * n) * MIB) for n in range(5)}
    for number, (name, body) in enumerate(contents.items()):
        with_crc = {"ChecksumAlgorithm": "CRC32"} if all_of_them or number % 2 else {}
        await bench.put(name, body, **with_crc)
    bench.tuning = ArchiveSettings(WHERRY_ARCHIVE_COPY_MIB=5)
    result = await bench.bundle(list(contents))
    archive = await bench.get(result.archive.key)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in contents} == contents
    head = await bench.client.head_object(
        Bucket=bench.store.bucket, Key=result.archive.key, ChecksumMode="ENABLED"
    )
    kept = head.get("ChecksumCRC32")
    assert kept in {None, base64.b64encode(zlib.crc32(archive).to_bytes(4, "big")).decode()}


async def test_an_archive_larger_than_the_buffers_is_piped(bench: Bench) -> None:
    contents = {"x": pattern(1, 70 * MIB), "y": pattern(2, 30 * MIB), "z": b"end"}
    for name, body in contents.items():
        await bench.put(name, body)
    bench.tuning = ArchiveSettings(
        WHERRY_ARCHIVE_STORE_COPIES="never",
        WHERRY_ARCHIVE_PART_MIB=32,
        WHERRY_ARCHIVE_BUDGET_MIB=48,
    )
    result = await bench.bundle(list(contents))
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        assert {name: opened.read(name) for name in contents} == contents


async def test_programs_of_others_read_the_archive(bench: Bench, tmp_path: Path) -> None:
    contents = await fill(bench)
    result = await bench.bundle(list(contents))
    path = tmp_path / "archive.zip"
    path.write_bytes(await bench.get(result.archive.key))
    source = tmp_path / "Read.java"
    source.write_text(JAVA_READER)
    for words in (
        ["unzip", "-tqq", str(path)],
        ["7z", "t", "-bd", str(path)],
        ["jar", "tf", str(path)],
    ):
        await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    read = await asyncio.to_thread(
        subprocess.run,
        ["java", "-Dsun.stdout.encoding=UTF-8", "-Dstdout.encoding=UTF-8", str(source), str(path)],
        check=True,
        capture_output=True,
    )
    lines = read.stdout.decode().splitlines()
    assert lines[:-1] == [f"{name} {len(body)}" for name, body in contents.items()]
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    await asyncio.to_thread(
        subprocess.run,
        ["bsdtar", "-xf", str(path), "-C", str(unpacked)],
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert {name: (unpacked / name).read_bytes() for name in contents} == contents


async def test_a_single_file_is_its_own_result(bench: Bench) -> None:
    await bench.put("photo.jpg", b"picture")
    result = await bench.bundle(["photo.jpg", "photo.jpg"])
    assert (result.archive.bucket, result.archive.key) == (
        bench.store.bucket,
        f"{bench.folder}/photo.jpg",
    )
    assert (result.archive.name, result.archive.size) == ("photo.jpg", 7)
    assert result.archive.checksum.startswith('ETag:"')
    assert await bench.archives() == []


async def test_missing_files_fail_or_are_recorded(bench: Bench) -> None:
    await bench.put("here", b"1")
    await bench.put("also", b"2")
    with pytest.raises(ArchiveError, match=r"2 files were not found: 'x', 'y'\.") as failed:
        await bench.bundle(["here", "x", "also", "y"])
    assert (failed.value.reason, failed.value.retryable) == ("FilesNotFound", False)
    result = await bench.bundle(["here", "x", "also", "y"], on_missing=OnMissing.MANIFEST)
    assert (result.progress.total_files, result.progress.skipped_files) == (4, 2)
    assert result.progress.completed_files == 2
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        skipped = json.loads(opened.read("manifest.json"))["skipped"]
    assert skipped == [{"id": i, "reason": "there is no such object"} for i in ("x", "y")]


async def test_heads_are_asked_once_in_five_minutes(bench: Bench, redis: Any) -> None:
    bench.redis = redis
    for name in ("a", "b"):
        await bench.put(name, name.encode())
    await bench.bundle(["a", "b"])
    cached = [key async for key in redis.scan_iter("wherry:head:*")]
    assert len(cached) >= 2
    lifetimes = [await redis.ttl(key) for key in cached]
    assert all(0 < lifetime <= 300 for lifetime in lifetimes)
    assert [key async for key in redis.scan_iter("wherry:parts:*")] == []


@pytest.mark.parametrize("copy_mode", ["auto", "never"])
async def test_a_later_attempt_reuses_the_parts_of_a_stopped_one(
    bench: Bench, redis: Any, copy_mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "wherry_jobrunner.archive.transfer.resume")
    bench.redis = redis
    contents = {f"file {n}": pattern(n, 9 * MIB) for n in range(12)}
    for name, body in contents.items():
        await bench.put(name, body)
    bench.tuning = ArchiveSettings(
        WHERRY_ARCHIVE_STORE_COPIES=copy_mode,
        WHERRY_ARCHIVE_BUDGET_MIB=48,
        WHERRY_ARCHIVE_COPIES=1,
    )
    first: asyncio.Task[Any] = asyncio.create_task(bench.bundle(list(contents)))
    while await redis.hlen(keys.archive_parts(bench.uid)) < 4:
        assert not first.done()
        await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert len(await bench.uploads()) == 1
    result = await bench.bundle(list(contents), attempt=2)
    (reused,) = re.findall(r"(\d+) of \d+ parts are reused", caplog.text)
    assert int(reused) >= 1
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        assert {name: opened.read(name) for name in contents} == contents
    assert "/2/" in result.archive.key
    assert result.progress.completed_files == 12
    assert await bench.uploads() == []
    assert sorted(await bench.archives()) == [
        result.archive.key,
        result.archive.manifest_key,
    ]


async def test_a_catalogue_tells_keys_and_names(bench: Bench) -> None:
    await bench.put("stored-1", b"one")
    await bench.put("stored-2", b"two")
    asked: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer s3cret"
        asked.append(await request.json())
        if len(asked) == 1:
            return web.Response(status=503)
        files = [
            {"id": i, "key": f"{bench.folder}/stored-{i}", "name": f"Report {i}.txt", "size": 3}
            for i in asked[-1]["ids"]
            if i != "3"
        ]
        return web.json_response({"files": files})

    application = web.Application()
    application.router.add_post("/files", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = ports.free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    bench.tuning = ArchiveSettings(
        WHERRY_CATALOGUE_URL=f"http://127.0.0.1:{port}/files",
        WHERRY_CATALOGUE_TOKEN="s3cret",
        WHERRY_CATALOGUE_BATCH=2,
    )
    try:
        result = await bench.bundle(["1", "2", "3"], on_missing=OnMissing.MANIFEST)
    finally:
        await runner.cleanup()
    with zipfile.ZipFile(io.BytesIO(await bench.get(result.archive.key))) as opened:
        assert opened.read("Report 1.txt") == b"one"
        assert opened.read("Report 2.txt") == b"two"
        skipped = json.loads(opened.read("manifest.json"))["skipped"]
    assert skipped == [{"id": "3", "reason": "the catalogue does not know this id"}]
    assert all(len(question["ids"]) <= 2 for question in asked)
