"""Reusing what an earlier attempt uploaded, when its plan was the same.

The earlier upload is completed as far as it got, and the store copies its parts into the new one.
Completing it also shuts out a runner that was believed lost and still works: its next part is
refused. The new archive never has the old attempt's key, under which such a runner may still
delete.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.plan import Plan
from wherry_jobrunner.archive.store.multipart_upload import (
    MD5_ETAG,
    CopyFailedError,
    Upload,
    abort_or_report,
    complete,
    copy_part,
    list_parts,
)
from wherry_jobrunner.archive.store.objects import SourceObject
from wherry_jobrunner.archive.transfer.part_journal import Journal, JournalPart

logger = logging.getLogger(__name__)

COPIES: Final = 16


def usable_parts(plan: Plan, journal: Journal, listed: Mapping[int, tuple[str, int]]) -> list[int]:
    """Return the numbers of the journal's parts that the store has and that ``plan`` can use.

    ``listed`` is the store's own list: (ETag without quotes, size) by part number.
    """
    if journal.digest != plan.digest:
        return []
    sizes = {part.number: part.size for part in plan.parts}
    last = plan.parts[-1].number
    usable = []
    for number, noted in journal.parts.items():
        there = listed.get(number)
        same = there == (noted.stored.etag.strip('"'), noted.stored.size)
        # The last part holds the directory: cheap to write, and it may be too small to copy.
        if same and number != last and sizes.get(number) == noted.stored.size:
            usable.append(number)
    return sorted(usable)


async def take_over(
    client: Any, plan: Plan, journal: Journal, upload: Upload, job: str
) -> dict[int, JournalPart]:
    """Copy what an earlier attempt uploaded into ``upload``; return the parts that it has now.

    An error only means that less is reused. Nothing is left of the earlier attempt's upload, where
    the store lets us remove it.
    """
    reused: dict[int, JournalPart] = {}
    try:
        listed = await list_parts(client, journal.upload)
        if numbers := usable_parts(plan, journal, listed):
            # In the order of the plan, so that every part comes after the ones before it.
            await complete(client, journal.upload, [journal.parts[n].stored for n in numbers])
            reused = await _copy(client, journal, numbers, upload, job)
            await client.delete_object(Bucket=journal.upload.bucket, Key=journal.upload.key)
    except (ArchiveError, ClientError, BotoCoreError) as error:
        logger.info("the earlier attempt's upload is not reused: %s", error, extra={"job": job})
    # Also after its completion: in some stores, a part in flight brings the upload back.
    await abort_or_report(client, journal.upload, job)
    if reused:
        logger.info(
            "%d of %d parts are reused from an earlier attempt",
            len(reused),
            len(plan.parts),
            extra={"job": job},
        )
    return reused


def _same_bytes(copied: str, uploaded: str) -> bool:
    """Return whether two ETags of parts may be of the same bytes; different MD5 sums are not."""
    a, b = MD5_ETAG.match(copied), MD5_ETAG.match(uploaded)
    return a is None or b is None or a[1] == b[1]


async def _copy(
    client: Any, journal: Journal, numbers: list[int], upload: Upload, job: str
) -> dict[int, JournalPart]:
    head = await client.head_object(Bucket=journal.upload.bucket, Key=journal.upload.key)
    partial = SourceObject(
        file_id="", key=journal.upload.key, name="", size=head["ContentLength"],
        etag=head["ETag"], modified=0,
    )  # fmt: skip
    slots = asyncio.Semaphore(COPIES)
    reused: dict[int, JournalPart] = {}

    async def one(number: int, start: int) -> None:
        noted = journal.parts[number]
        async with slots:
            try:
                stored = await copy_part(
                    client,
                    upload,
                    journal.upload.bucket,
                    partial,
                    start=start,
                    size=noted.stored.size,
                    number=number,
                )
            except (CopyFailedError, ArchiveError) as error:
                logger.info("part %d is not reused: %s", number, error, extra={"job": job})
                # The part is uploaded again, which shows what is wrong with the new upload.
                return
        if _same_bytes(stored.etag, noted.stored.etag):
            reused[number] = JournalPart(stored, noted.crc32, noted.range_crcs)

    position = 0
    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(one(number, position))
            position += journal.parts[number].stored.size
    return reused
