"""Executes a plan: parts are built in memory, piped through, or copied by the store.

All three give the same bytes. Parts begin in the order of the plan; a part whose header needs the
CRC of a file that goes on in later parts waits, full, until they are read.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from wherry_jobrunner.archive import metrics
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.plan import Part, Plan, Range
from wherry_jobrunner.archive.store.errors import archive_wrong
from wherry_jobrunner.archive.store.multipart_upload import (
    MD5_ETAG,
    CopyFailedError,
    Upload,
    copy_part,
)
from wherry_jobrunner.archive.store.objects import SourceObject
from wherry_jobrunner.archive.store.requests import Body, StoredPart, StoreRequests
from wherry_jobrunner.archive.transfer.byte_budget import Share
from wherry_jobrunner.archive.transfer.crc32 import combine
from wherry_jobrunner.archive.transfer.file_digests import FileDigests
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums
from wherry_jobrunner.archive.transfer.part_contents import PartContents, part_buffer, part_crc32
from wherry_jobrunner.archive.transfer.part_journal import JournalPart, PartJournal
from wherry_jobrunner.archive.transfer.piping import RangeReader, prepare_pipe
from wherry_jobrunner.archive.transfer.progress_counter import ProgressCounter

logger = logging.getLogger(__name__)

WRITE_SLICE: Final = 1 << 18
PIPE_GRANT: Final = 1 << 20
"""Bytes of the budget that a piped part takes: the buffers of two connections."""


class Executor:
    """Uploads the parts of one plan."""

    def __init__(
        self,
        *,
        plan: Plan,
        upload: Upload,
        client: Any,
        requests: StoreRequests,
        source_bucket: str,
        checksums: MemberChecksums,
        digests: FileDigests | None,
        progress: ProgressCounter,
        share: Share,
        buffer_bytes: int,
        copies: int,
        journal: PartJournal | None,
        job: str,
    ) -> None:
        """``buffer_bytes`` is the largest part that is built in memory; ``copies`` how many parts
        the store may copy at once, 0 for none."""
        self._plan = plan
        self._upload = upload
        self._client = client
        self._requests = requests
        self._bucket = source_bucket
        self._checksums = checksums
        self._digests = digests
        self._contents = PartContents(plan, source_bucket, requests, checksums, digests)
        self._reader = RangeReader(plan, source_bucket, requests)
        self._progress = progress
        self._share = share
        self._buffer_bytes = buffer_bytes
        self._copying = copies > 0
        self._copy_slots = asyncio.Semaphore(max(copies, 1))
        self._journal = journal
        self._job = job
        self._stored: dict[int, StoredPart] = {}
        self._crcs: dict[int, int | None] = {}
        self._read: set[int] = set()
        self.md5_etags = True
        """False once the ETag of a part was seen not to be its MD5 sum."""
        self.unchecked: list[tuple[Part, int]] = []
        """Parts that the store took without a checksum, each with the CRC-32 of what was sent."""
        self.copied_bytes = 0
        """Bytes that the store copied from source objects."""
        self.reused_bytes = 0
        """Bytes of parts that an earlier attempt uploaded."""

    async def run(self, reused: Mapping[int, JournalPart]) -> dict[int, StoredPart]:
        """Upload every part that is not in ``reused``, what the upload has already; return all.

        Raises ArchiveError.
        """
        for part in self._plan.parts:
            if part.number in reused:
                await self._reuse(part, reused[part.number])
        try:
            async with asyncio.TaskGroup() as group:
                for part in self._plan.parts:
                    if part.number not in self._stored:
                        await self._begin(group, part)
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        return self._stored

    @property
    def unread_sources(self) -> list[SourceObject]:
        """The objects of which ``run`` read and copied no byte, so that no If-Match pinned them."""
        return [
            member.source
            for index, member in enumerate(self._plan.members)
            if member.source is not None and index not in self._read
        ]

    def archive_crc32(self) -> int | None:
        """Return the CRC-32 of the archive once ``run`` has ended; None if a part's is unknown."""
        whole = 0
        for part in self._plan.parts:
            crc32 = self._crcs[part.number]
            if crc32 is None:
                return None
            whole = combine(whole, crc32, part.size)
        return whole

    async def _begin(self, group: asyncio.TaskGroup, part: Part) -> None:
        """Wait for room, then start the part; the order of the grants rules out a deadlock."""
        self._read.update(each.member for each in part.segments if isinstance(each, Range))
        if self._copying and part.copyable is not None:
            await self._copy_slots.acquire()
            group.create_task(self._copy(part, part.copyable))
            return
        in_memory = part.size <= self._buffer_bytes
        grant = part.size if in_memory else PIPE_GRANT
        await self._share.acquire(grant)
        task = group.create_task(self._build(part) if in_memory else self._pipe(part))
        # Not in a finally of the coroutine, which a task that is cancelled early never enters.
        task.add_done_callback(lambda _: self._share.release(grant))

    async def _reuse(self, part: Part, noted: JournalPart) -> None:
        ranges = [segment for segment in part.segments if isinstance(segment, Range)]
        if any(
            crc32 is None and self._checksums.known(segment.member) is None
            for segment, crc32 in zip(ranges, noted.range_crcs, strict=True)
        ):
            return
        for segment, crc32 in zip(ranges, noted.range_crcs, strict=True):
            if crc32 is not None:
                self._checksums.add(segment.member, segment.start, segment.size, crc32)
            if self._digests is not None:
                self._digests.gap(segment.member)
        self.reused_bytes += part.size
        metrics.REUSED.inc(part.size)
        if noted.crc32 is not None and part.size > self._buffer_bytes:
            # It may have been piped, and the journal does not say whether the store checked it.
            self.unchecked.append((part, noted.crc32))
        await self._finish(part, noted.stored, noted.crc32)

    async def _finish(self, part: Part, stored: StoredPart, crc32: int | None) -> None:
        self._stored[part.number] = stored
        self._crcs[part.number] = crc32
        self._progress.stored(part)
        if self._journal is not None:
            await self._journal.note(stored, crc32, self._checksums.of_ranges(part))

    async def _build(self, part: Part) -> None:
        """Put the part together in memory, then upload it."""
        view = part_buffer(part.size)
        await self._contents.read_ranges(part, view)
        await self._contents.write_literals(part, view)
        range_crcs = self._checksums.of_ranges(part)
        crc32 = await asyncio.to_thread(part_crc32, part, view, range_crcs)

        async def body() -> AsyncIterator[memoryview]:
            for position in range(0, len(view), WRITE_SLICE):
                yield view[position : position + WRITE_SLICE]

        if self._upload.with_crc32:
            stored = await self._put(part, body, crc32=crc32)
            if stored.crc32 is not None:
                await self._finish(part, stored, crc32)
                return
            # The store returns no CRC, and may not have checked the one that it was sent.
            md5 = await asyncio.to_thread(_md5, view)
        else:
            md5 = await asyncio.to_thread(_md5, view)
            stored = await self._put(part, body, md5=md5)
        etag = MD5_ETAG.match(stored.etag)
        if etag is None or etag[1] != md5.hex():
            self.md5_etags = False
        await self._finish(part, stored, crc32)

    async def _put(
        self, part: Part, body: Body, *, crc32: int | None = None, md5: bytes | None = None
    ) -> StoredPart:
        upload = self._upload
        stored = await self._requests.put_part(
            upload.bucket,
            upload.key,
            upload.upload_id,
            part.number,
            part.size,
            body,
            crc32=crc32,
            md5=md5,
        )
        if crc32 is not None and stored.crc32 not in {None, crc32}:
            raise archive_wrong(f"part {part.number} was damaged on its way into the store")
        return stored

    async def _pipe(self, part: Part) -> None:
        """Send a part too large for memory from one connection into the other."""
        for segment in part.segments:
            if self._digests is not None and isinstance(segment, Range):
                self._digests.gap(segment.member)
        with_crc32 = self._upload.with_crc32
        piped = await prepare_pipe(
            part, self._reader, self._contents, self._checksums, crc_first=with_crc32
        )
        announced = piped.crc32(piped.known) if with_crc32 else None
        stored = await self._put(part, piped.body, crc32=announced)
        for index, segment in enumerate(part.segments):
            if isinstance(segment, Range) and index not in piped.known:
                self._checksums.add(segment.member, segment.start, segment.size, piped.sent[index])
        crc32 = piped.crc32(piped.sent)
        if announced is None or stored.crc32 is None:
            self.unchecked.append((part, crc32))
        await self._finish(part, stored, crc32)

    def _source(self, segment: Range) -> SourceObject:
        source = self._plan.members[segment.member].source
        if source is None:
            raise ValueError("a range of the manifest")
        return source

    async def _copy(self, part: Part, segment: Range) -> None:
        """Have the store copy the part; stream it when the store does not."""
        try:
            if self._digests is not None:
                self._digests.gap(segment.member)
            source = self._source(segment)
            try:
                stored = await copy_part(
                    self._client,
                    self._upload,
                    self._bucket,
                    source,
                    start=segment.start,
                    size=segment.size,
                    number=part.number,
                )
            except CopyFailedError as error:
                if error.unsupported and self._copying:
                    self._copying = False
                    logger.warning(
                        "the store copies no parts (%s): streaming", error, extra={"job": self._job}
                    )
                # Without a grant: a part that waits for this one may hold the last of the budget,
                # and the copy slots bound how many there are.
                await self._pipe(part)
                return
            crc32 = stored.crc32
            if crc32 is None and self._checksums.known(segment.member) is None:
                # Still cheaper than streaming: the bytes come in, but need not go out again.
                crc32 = await self._reader.crc32(segment)
            if crc32 is not None:
                self._checksums.add(segment.member, segment.start, segment.size, crc32)
            self.copied_bytes += part.size
            metrics.COPIED.inc(part.size)
            await self._finish(part, stored, crc32)
        finally:
            self._copy_slots.release()


def _md5(view: memoryview) -> bytes:
    return hashlib.md5(view, usedforsecurity=False).digest()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the most specific error: the first ArchiveError, otherwise the first of all."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [errors]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        else:
            flat.append(error)
    return next((error for error in flat if isinstance(error, ArchiveError)), flat[0])
