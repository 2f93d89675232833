"""Throughput of the archive engine beside what it is measured against.

    python -m tests.bench.archive.archive_throughput --store versitygw --sizes 3000x1MiB 100x50MiB

Every way runs in a process of its own, so that its peak memory and CPU seconds are its own:

- ``floor``: every object downloaded and uploaded again with aiobotocore, nothing else;
- ``script``: what a user would write, zipstream-ng and a boto3 multipart upload;
- ``stream``: the engine, streaming;
- ``copy``: the engine, the store copying.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import uvloop
import zipstream

from localcluster import stores
from wherry_core import object_store
from wherry_core.archive_storage import delete_objects
from wherry_core.resources.download_job import OnMissing
from wherry_core.settings import StoreSettings
from wherry_jobrunner.archive import ArchiveRequest, ArchiveSettings, bundle

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
WAYS = ("floor", "script", "stream", "copy")
FLOOR_BYTES_IN_FLIGHT = 128 << 20
FLOOR_CONNECTIONS = 64


def parse_size(text: str) -> tuple[int, int]:
    """Return (count, bytes) of a text such as 100x50MiB."""
    found = re.fullmatch(r"(\d+)x(\d+)(KiB|MiB|GiB)", text)
    if found is None:
        raise SystemExit(f"{text!r} is no size: write it like 100x50MiB")
    return int(found[1]), int(found[2]) * UNITS[found[3]]


def settings_for(endpoint: str, bucket: str, folder: str) -> StoreSettings:
    """Return the settings of a runner for objects under ``folder``."""
    return StoreSettings(
        WHERRY_S3_ENDPOINT_URL=endpoint,
        WHERRY_SOURCE_BUCKET=bucket,
        WHERRY_SOURCE_KEY_TEMPLATE=folder + "/{id}",
        WHERRY_ARCHIVE_BUCKET=bucket,
    )


async def fill(settings: StoreSettings, folder: str, count: int, size: int) -> None:
    """Store ``count`` objects of ``size`` bytes."""
    body = os.urandom(size)
    slots = asyncio.Semaphore(min(32, max(1, FLOOR_BYTES_IN_FLIGHT // size)))
    async with object_store.connect(settings) as client:

        async def put(number: int) -> None:
            async with slots:
                await client.put_object(
                    Bucket=settings.source_bucket,
                    Key=f"{folder}/{number}",
                    Body=number.to_bytes(8, "big") + body[8:],
                )

        await asyncio.gather(*(put(number) for number in range(count)))


async def floor(settings: StoreSettings, folder: str, count: int, size: int) -> None:
    """Download and upload every object: the least that any streaming does."""
    slots = asyncio.Semaphore(min(FLOOR_CONNECTIONS, max(1, FLOOR_BYTES_IN_FLIGHT // size)))
    async with object_store.connect(settings) as client:

        async def move(number: int) -> None:
            async with slots:
                answer = await client.get_object(
                    Bucket=settings.source_bucket, Key=f"{folder}/{number}"
                )
                async with answer["Body"] as stream:
                    body = await stream.read()
                await client.put_object(
                    Bucket=settings.archive_bucket, Key=f"archives/{folder}/{number}", Body=body
                )

        await asyncio.gather(*(move(number) for number in range(count)))


def script(settings: StoreSettings, folder: str, count: int, size: int) -> None:
    """Bundle as a user would: zipstream-ng over boto3's streams into a multipart upload."""
    client = boto3.client("s3", endpoint_url=settings.endpoint_url, region_name=settings.region)

    def content(number: int) -> Any:
        answer = client.get_object(Bucket=settings.source_bucket, Key=f"{folder}/{number}")
        yield from answer["Body"].iter_chunks(1 << 20)

    archive = zipstream.ZipStream(sized=False, compress_type=zipstream.ZIP_STORED)
    for number in range(count):
        archive.add(content(number), str(number), size=size)
    key = f"archives/{folder}/script.zip"
    upload = client.create_multipart_upload(Bucket=settings.archive_bucket, Key=key)
    where = {"Bucket": settings.archive_bucket, "Key": key, "UploadId": upload["UploadId"]}
    parts: list[dict[str, Any]] = []
    pending = bytearray()

    def send() -> None:
        number = len(parts) + 1
        answer = client.upload_part(**where, PartNumber=number, Body=bytes(pending))
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        pending.clear()

    for chunk in archive:
        pending += chunk
        if len(pending) >= 8 << 20:
            send()
    send()
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


async def engine(settings: StoreSettings, count: int, *, copying: bool) -> None:
    """Bundle with the engine."""
    request = ArchiveRequest(
        namespace="bench",
        uid=str(uuid.uuid4()),
        attempt=1,
        file_ids=tuple(str(number) for number in range(count)),
        archive_name="bench.zip",
        on_missing=OnMissing.FAIL,
        job="bench/bench",
    )
    tuning = ArchiveSettings(WHERRY_ARCHIVE_STORE_COPIES="auto" if copying else "never")
    async with object_store.connect(settings) as client:
        await bundle(
            request,
            client,
            settings,
            report=lambda progress: None,
            archive_settings=tuning,
        )


def run_way(way: str, endpoint: str, bucket: str, folder: str, count: int, size: int) -> None:
    """Run one way in this process and print what it took as JSON."""
    settings = settings_for(endpoint, bucket, folder)
    before = _cpu_seconds()
    began = time.perf_counter()
    if way == "floor":
        uvloop.run(floor(settings, folder, count, size))
    elif way == "script":
        script(settings, folder, count, size)
    else:
        uvloop.run(engine(settings, count, copying=way == "copy"))
    seconds = time.perf_counter() - began
    cpu = _cpu_seconds() - before
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mib": _peak_mib()}))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mib() -> float:
    # ru_maxrss would count what the parent process had before it started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def compare(kind: stores.Kind, sizes: list[str], ways: list[str], repeat: int) -> None:
    """Start a store, fill it, run every way ``repeat`` times and print a table of the best runs."""
    state = Path(tempfile.mkdtemp(prefix="wherry-bench-"))
    store = stores.start_store(kind, state)
    os.environ["AWS_ACCESS_KEY_ID"] = store.access_key
    os.environ["AWS_SECRET_ACCESS_KEY"] = store.secret_key
    try:
        print("| store | files | way | seconds | MiB/s | CPU s per GiB | peak MiB |")
        print("|---|---|---|---|---|---|---|")
        for text in sizes:
            count, size = parse_size(text)
            folder = f"files/{text}"
            settings = settings_for(store.endpoint, store.bucket, folder)
            asyncio.run(fill(settings, folder, count, size))
            measured: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            # One after the other, so that a busy minute of the machine hits every way.
            for way in ways * repeat:
                measured[way].append(_measured(way, store, folder, count, size))
            for way, runs in measured.items():
                best = min(runs, key=lambda run: run["seconds"])
                total = count * size / UNITS["MiB"]
                cpu = min(run["cpu"] for run in runs) / total * 1024
                print(
                    f"| {kind} | {text} | {way} | {best['seconds']:.2f} "
                    f"| {total / best['seconds']:.0f} | {cpu:.2f} "
                    f"| {max(run['peak_mib'] for run in runs):.0f} |",
                    flush=True,
                )
            asyncio.run(_empty(settings))
    finally:
        store.stop()
        shutil.rmtree(state, ignore_errors=True)


def _measured(
    way: str, store: stores.Store, folder: str, count: int, size: int
) -> dict[str, float]:
    words = [sys.executable, "-m", "tests.bench.archive.archive_throughput", "--run", way]
    words += [store.endpoint, store.bucket, folder, str(count), str(size)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    asyncio.run(_empty(settings_for(store.endpoint, store.bucket, "files"), "archives/"))
    return found


async def _empty(settings: StoreSettings, prefix: str = "files/") -> None:
    async with object_store.connect(settings) as client:
        await delete_objects(client, settings, prefix)


def main() -> None:
    """Run from the command line."""
    if sys.argv[1:2] == ["--run"]:
        way, endpoint, bucket, folder, count, size = sys.argv[2:]
        run_way(way, endpoint, bucket, folder, int(count), int(size))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["seaweedfs", "versitygw"], default="versitygw")
    parser.add_argument("--sizes", nargs="+", default=["3000x1MiB", "100x50MiB", "10000x4KiB"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    compare(given.store, given.sizes, given.ways, given.repeat)


if __name__ == "__main__":
    main()
