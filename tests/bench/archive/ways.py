"""The ways of bundling to compare; each runs in its own process.

- ``floor``: every object downloaded and uploaded again with aiobotocore, nothing else;
- ``script``: what a user would write, zipstream-ng and a boto3 multipart upload;
- ``stream``: the engine, streaming;
- ``copy``: the engine, the store copying.
"""

import asyncio
import json
import re
import resource
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

import boto3
import uvloop
import zipstream

from wherry_core import object_store
from wherry_core.resources.download_job import OnMissing
from wherry_core.settings import StoreSettings
from wherry_jobrunner.archive import ArchiveRequest, ArchiveSettings, bundle

WAYS: Final = ("floor", "script", "stream", "copy")
FLOOR_BYTES_IN_FLIGHT: Final = 128 << 20
FLOOR_CONNECTIONS: Final = 64


def settings_for(endpoint: str, bucket: str, folder: str) -> StoreSettings:
    """Return the settings of a runner for objects under ``folder``."""
    return StoreSettings(
        WHERRY_S3_ENDPOINT_URL=endpoint,
        WHERRY_SOURCE_BUCKET=bucket,
        WHERRY_SOURCE_KEY_TEMPLATE=folder + "/{id}",
        WHERRY_ARCHIVE_BUCKET=bucket,
    )


async def floor(settings: StoreSettings, folder: str, count: int, size: int) -> None:
    """Download and upload every object: the minimum work of any streaming way."""
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


def run(way: str, endpoint: str, bucket: str, folder: str, count: int, size: int) -> None:
    """Run one way in this process and print its measurements as JSON."""
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
    # ru_maxrss would include the peak of the parent process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    chosen, address, where, under, files, each = sys.argv[1:]
    run(chosen, address, where, under, int(files), int(each))
