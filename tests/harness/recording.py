"""Gathers the facts of a run for the model check."""

import asyncio
import base64
import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from tests.harness.api import JOBS, POOLS, Api
from tests.harness.buckets import Bucket
from tests.harness.history import JobHistory
from tests.harness.model import Answers, Facts, StoredObject
from tests.harness.waiting import eventually
from wherry_core.resources import DownloadJob, Phase

WRITES: Final = {"create", "update", "patch", "delete", "deletecollection"}
COUNTED: Final = {"downloadjobs", "runnerpools", "pods", "events"}
"""Leases are left out, because a leader renews its own all the time."""
READERS: Final = 16


def archive_content(key: str, body: bytes) -> tuple[str, dict[str, int]]:
    """Return what is wrong with a ZIP archive ("" when nothing is), and its members' CRC-32.

    Both are empty for an object whose name is not that of an archive.
    """
    if not key.endswith(".zip"):
        return "", {}
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            bad = archive.testzip()
            members = {each.filename: each.CRC for each in archive.infolist()}
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        return f"{type(error).__name__}: {error}", {}
    return f"{bad} does not have its CRC" if bad else "", members


async def _read(client: Any, bucket: str, key: str, room: asyncio.Semaphore) -> StoredObject:
    async with room:
        answer = await client.get_object(Bucket=bucket, Key=key)
        async with answer["Body"] as stream:
            body = bytes(await stream.read())
    crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    damage, members = archive_content(key, body)
    return StoredObject(len(body), answer["ETag"].strip('"'), crc32, damage, members)


async def stored_objects(bucket: Bucket) -> dict[str, StoredObject]:
    """Read everything in a bucket."""
    room = asyncio.Semaphore(READERS)
    keys = await bucket.keys()
    async with bucket.connect() as client:
        read = await asyncio.gather(*(_read(client, bucket.name, key, room) for key in keys))
    return dict(zip(keys, read, strict=True))


class AuditLog:
    """The API server's audit log, from its end at the time of construction on."""

    def __init__(self, path: Path, namespace: str) -> None:
        self._path = path
        self._namespace = namespace
        self._start = path.stat().st_size

    def writes(self) -> list[str]:
        """Return the writes to Wherry's objects since then, as "verb resource by user"."""
        with self._path.open("rb") as log:
            log.seek(self._start)
            lines = log.read().splitlines()
        found = []
        for line in lines:
            # The last line may be in the middle of being written.
            if not line.endswith(b"}"):
                continue
            event = json.loads(line)
            thing = event.get("objectRef", {})
            ours = thing.get("namespace") == self._namespace and thing["resource"] in COUNTED
            if ours and event["verb"] in WRITES and event["stage"] == "ResponseComplete":
                part = f"/{thing['subresource']}" if "subresource" in thing else ""
                who = event["user"]["username"].rpartition(":")[2]
                found.append(f"{event['verb']} {thing['resource']}{part} by {who}")
        return found


async def writes_when_quiet(
    path: Path,
    namespace: str,
    *,
    counts: Callable[[str], bool] = bool,
    rest: float = 6.0,
    watched: float = 8.0,
    within: float = 60.0,
) -> tuple[str, ...]:
    """Wait until nothing was written for ``rest`` seconds; return what is written after that.

    ``counts`` chooses the writes that matter, all by default. Raises TooLateError when the writes
    do not end.
    """

    async def writes_during(seconds: float) -> tuple[str, ...]:
        log = AuditLog(path, namespace)
        await asyncio.sleep(seconds)
        return tuple(write for write in log.writes() if counts(write))

    await eventually(
        "all writes to end", lambda: writes_during(rest), lambda found: not found, within=within
    )
    return await writes_during(watched)


def readable_jobs(found: Iterable[Mapping[str, Any]]) -> tuple[DownloadJob, ...]:
    """Return those of the stored jobs that this version's model reads."""
    jobs = []
    for each in found:
        with contextlib.suppress(ValidationError):
            jobs.append(DownloadJob.model_validate(each))
    return tuple(jobs)


async def gather_facts(
    api: Api,
    namespace: str,
    bucket: Bucket,
    history: JobHistory,
    asked: Mapping[str, frozenset[Phase]],
    quiet: Sequence[str] = (),
    *,
    deleted: Iterable[str] = (),
    answers: Mapping[str, Answers] | None = None,
) -> Facts:
    """Read everything that the model check needs."""
    found = await api.list_all(JOBS, namespace)
    pools = await api.list_all(POOLS, namespace)
    newest = max((int(each["metadata"]["resourceVersion"]) for each in found), default=0)
    await history.reach(str(newest))
    return Facts(
        asked=dict(asked),
        changes=tuple(history.changes),
        jobs=readable_jobs(found),
        store=bucket.settings,
        deleted=frozenset(deleted),
        answers=answers or {},
        sources=bucket.sources,
        objects=await stored_objects(bucket),
        uploads=tuple(await bucket.uploads("archives/")),
        pods=tuple(await api.list_all("pods", namespace)),
        pool_uids=frozenset(each["metadata"]["uid"] for each in pools),
        writes_when_quiet=tuple(quiet),
    )
