"""``bundle``: one attempt at one archive, from file ids to a verified object."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from wherry_core import tracing
from wherry_core.archive_keys import archive_folder, archive_key
from wherry_core.redis.client import Redis
from wherry_core.resources import Archive
from wherry_core.settings import StoreSettings
from wherry_jobrunner.archive.interface import (
    ArchiveError,
    ArchiveProgress,
    ArchiveRequest,
    ArchiveResult,
)
from wherry_jobrunner.archive.plan.manifest import MANIFEST_NAME, manifest
from wherry_jobrunner.archive.plan.member_names import safe_name
from wherry_jobrunner.archive.plan.plan import Plan
from wherry_jobrunner.archive.plan.planner import MIB, MIN_PART, plan_archive
from wherry_jobrunner.archive.plan.resolver import resolve, settle_missing
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.archive.store import multipart_upload as uploads
from wherry_jobrunner.archive.store.capability import CAPABILITIES
from wherry_jobrunner.archive.store.connection import BYTES_PER_CONNECTION
from wherry_jobrunner.archive.store.head_cache import HeadCache
from wherry_jobrunner.archive.store.objects import SourceObject
from wherry_jobrunner.archive.store.requests import StoreRequests, open_requests
from wherry_jobrunner.archive.transfer.byte_budget import budget_of_process
from wherry_jobrunner.archive.transfer.executor import Executor
from wherry_jobrunner.archive.transfer.file_digests import FileDigests
from wherry_jobrunner.archive.transfer.member_checksums import MemberChecksums
from wherry_jobrunner.archive.transfer.part_journal import JournalPart, PartJournal
from wherry_jobrunner.archive.transfer.progress_counter import ProgressCounter
from wherry_jobrunner.archive.transfer.resume import take_over
from wherry_jobrunner.archive.transfer.verification import confirm_sources, verify, verify_parts

logger = logging.getLogger(__name__)

Report = Callable[[ArchiveProgress], None]
STALE_HEAD_REASONS: Final = frozenset({"SourceChanged", "SourceCorrupt"})
"""Reasons of a failure that a stale head of an object can be the cause of."""
BUFFERS_IN_BUDGET: Final = 4
"""Parts of the largest size built in memory that fit into the budget at once."""


async def bundle(
    request: ArchiveRequest,
    client: Any,
    settings: StoreSettings,
    *,
    report: Report,
    redis: Redis | None = None,
    archive_settings: ArchiveSettings | None = None,
) -> ArchiveResult:
    """Bundle the files of ``request`` into one archive in the store, verified before it returns.

    ``report`` is called with every step of progress. A cancelled call stops promptly and leaves
    what it uploaded; a failed one aborts its upload and raises ArchiveError. A single file needs
    no archive: the result is then the object itself.
    """
    tuning = archive_settings or ArchiveSettings()
    buckets = [settings.source_bucket, settings.archive_bucket]
    async with open_requests(client, buckets, tuning) as requests:
        attempt = _Attempt(request, client, settings, tuning, requests, redis, report)
        return await attempt.run()


class _Attempt:
    """One call of ``bundle``: what its steps share."""

    def __init__(
        self,
        request: ArchiveRequest,
        client: Any,
        settings: StoreSettings,
        tuning: ArchiveSettings,
        requests: StoreRequests,
        redis: Redis | None,
        report: Report,
    ) -> None:
        self.request = request
        self.client = client
        self.settings = settings
        self.tuning = tuning
        self.requests = requests
        self.report = report
        self.context = {"job": request.job}
        self.ids = tuple(dict.fromkeys(request.file_ids))
        self.resolved_keys: list[str] = []
        self.used_cache = False
        folder = archive_folder(settings, request.namespace, request.uid)
        self.journal = (
            PartJournal(redis, request.uid, request.job, settings.archive_bucket, folder)
            if redis is not None
            else None
        )
        self.cache = (
            HeadCache(redis, client.meta.endpoint_url, request.job) if redis is not None else None
        )

    async def run(self) -> ArchiveResult:
        try:
            return await self.make(self.cache)
        except ArchiveError as error:
            if error.reason not in STALE_HEAD_REASONS or self.cache is None:
                raise
            await self.cache.evict(self.settings.source_bucket, self.resolved_keys)
            if not self.used_cache:
                raise
            # A head that another job left in the cache must not cost this job an attempt.
            logger.info("resolved again without the cache: %s", error, extra=self.context)
        return await self.make(None)

    async def make(self, cache: HeadCache | None) -> ArchiveResult:
        """Resolve, plan and transfer; heads of objects may come from ``cache``."""
        with tracing.span("head", attributes={"wherry.files": len(self.ids)}):
            # A single object is the result as it is and never read, so only a fresh head counts.
            resolved = await resolve(
                self.request.namespace,
                self.ids,
                self.settings,
                self.tuning,
                self.requests,
                cache if len(self.ids) > 1 else None,
            )
        found, missing = resolved.found, resolved.missing
        self.resolved_keys = [source.key for source in found]
        self.used_cache = resolved.used_cache
        settle_missing(found, missing, self.request.on_missing)
        if len(self.ids) == 1:
            return self.single(found[0])
        with tracing.span("plan"):
            with_crc32 = not any(
                source.crc32 is not None for source in found if source.size >= MIN_PART
            )
            copying = await self.copies(found, with_crc32=with_crc32)
            plan = plan_archive(
                found,
                missing,
                part_bytes=self.tuning.part_mib * MIB,
                range_bytes=(self.tuning.copy_mib if copying else self.tuning.part_mib) * MIB,
            )
        return await self.archive(plan, copying=copying, with_crc32=with_crc32 or not copying)

    def single(self, source: SourceObject) -> ArchiveResult:
        """Return the object itself as the result."""
        name = self.request.archive_name
        if name.lower().endswith(".zip"):
            name = safe_name(source.name).rpartition("/")[2]
        archive = Archive(
            bucket=self.settings.source_bucket,
            key=source.key,
            name=name,
            size=source.size,
            checksum=f"ETag:{source.etag}",
        )
        progress = ArchiveProgress(1, 1, 0, source.size, source.size)
        self.report(progress)
        return ArchiveResult(archive, progress)

    @property
    def key(self) -> str:
        """The object key of this attempt's archive."""
        request = self.request
        return archive_key(
            self.settings, request.namespace, request.uid, request.attempt, request.archive_name
        )

    @property
    def budget(self) -> int:
        """Bytes for parts in memory, without those for the buffers of the connections."""
        whole = self.tuning.budget_mib * MIB
        return max(whole - self.tuning.connections * BYTES_PER_CONNECTION, whole * 2 // 3)

    async def copies(self, sources: Sequence[SourceObject], *, with_crc32: bool) -> bool:
        """Return whether the store copies ranges itself; probe it only for large sources."""
        large = next((source for source in sources if source.size >= MIN_PART), None)
        if large is None or self.tuning.copy_mode == "never":
            return False
        capability = await CAPABILITIES.of(
            self.client,
            self.requests,
            self.settings.source_bucket,
            large,
            self.settings.archive_bucket,
            f"{self.key}.probe",
            with_crc32=with_crc32,
            job=self.request.job,
        )
        return capability.copies

    async def archive(self, plan: Plan, *, copying: bool, with_crc32: bool) -> ArchiveResult:
        """Carry out ``plan``, verify what is stored, and put the manifest beside it.

        A copied part of an object that has a CRC-32 of its own gets that one from some stores,
        though it is only a range: the upload then has no CRC-32 (``with_crc32`` False).
        """
        request = self.request
        key = self.key
        progress = ProgressCounter(plan, len(self.ids), self.report)
        self.report(progress.now())
        self.requests.on_read = progress.read
        earlier = await self.journal.read() if self.journal is not None else None
        resuming = earlier is not None and earlier.digest == plan.digest
        # A piped part has no checksum before it is sent, and a store may then refuse it.
        piping = any(
            part.size > self.budget // BUFFERS_IN_BUDGET
            for part in plan.parts
            if part.copyable is None or not copying
        )
        upload = await uploads.begin(
            self.client,
            self.settings.archive_bucket,
            key,
            plan.digest,
            with_crc32=with_crc32 and not resuming and not piping,
        )
        async with uploads.aborted_on_failure(self.client, upload, request.job):
            reused: dict[int, JournalPart] = {}
            if earlier is not None:
                reused = await take_over(self.client, plan, earlier, upload, request.job)
            if self.journal is not None:
                await self.journal.begin(plan.digest, upload)
            digests = FileDigests(plan) if self.tuning.sha256 else None
            checksums = MemberChecksums(plan)
            executor = Executor(
                plan=plan,
                upload=upload,
                client=self.client,
                requests=self.requests,
                source_bucket=self.settings.source_bucket,
                checksums=checksums,
                digests=digests,
                progress=progress,
                share=budget_of_process(self.budget).share(),
                buffer_bytes=self.budget // BUFFERS_IN_BUDGET,
                copies=self.tuning.copies if copying else 0,
                journal=self.journal,
                job=request.job,
            )
            with tracing.span("copy" if copying else "upload") as phase:
                stored = await executor.run(reused)
                if phase is not None:
                    phase.set_attributes(
                        {
                            "wherry.parts": len(plan.parts),
                            "wherry.bytes": plan.size,
                            "wherry.copied_bytes": executor.copied_bytes,
                            "wherry.reused_bytes": executor.reused_bytes,
                        }
                    )
            with tracing.span("confirm"):
                await confirm_sources(
                    self.requests,
                    self.settings.source_bucket,
                    executor.unread_sources,
                    self.tuning.connections,
                )
            with tracing.span("complete"):
                await uploads.complete(self.client, upload, list(stored.values()))
        with tracing.span("verify"):
            checksum = await verify(
                self.client,
                upload,
                plan,
                stored,
                checksums,
                crc32=executor.archive_crc32(),
                md5_etags=executor.md5_etags,
            )
            await verify_parts(self.requests, upload, executor.unchecked)
        if self.journal is not None:
            await self.journal.clear()
        crcs = await checksums.wait_for_files()
        with tracing.span("manifest"):
            manifest_key = await self.put_manifest(plan, key, crcs, digests)
        archive = Archive(
            bucket=upload.bucket,
            key=key,
            name=request.archive_name,
            size=plan.size,
            checksum=checksum,
            manifest_key=manifest_key,
        )
        return ArchiveResult(archive, progress.now())

    async def put_manifest(
        self, plan: Plan, key: str, crcs: Sequence[int], digests: FileDigests | None
    ) -> str:
        """Store the manifest beside the archive; return its key."""
        manifest_key = f"{key}.{MANIFEST_NAME}"
        body = manifest(plan.files, crcs, plan.skipped, digests.of_files() if digests else None)
        await uploads.put_small(self.client, self.settings.archive_bucket, manifest_key, body)
        return manifest_key
