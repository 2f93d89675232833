"""From file ids to objects: the key of every id, and a HEAD of every object before anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wherry_core.resources.download_job import OnMissing
from wherry_core.settings import StoreSettings
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.catalogue import look_up
from wherry_jobrunner.archive.plan.key_template import target_of
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.archive.store.errors import no_such_bucket
from wherry_jobrunner.archive.store.head_cache import HeadCache
from wherry_jobrunner.archive.store.objects import ObjectHead, SkippedFile, SourceObject, Target
from wherry_jobrunner.archive.store.requests import StoreRequests, for_each

NAMED_IDS: Final = 20
"""Missing ids that an error message names."""
MAX_MESSAGE: Final = 1_024
NO_OBJECT: Final = "there is no such object"
NOT_LISTED: Final = "the catalogue does not know this id"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The objects of a job's file ids."""

    found: list[SourceObject]
    """The objects, in the order of the ids."""
    missing: list[SkippedFile]
    """The ids that have no object."""
    used_cache: bool
    """Whether the head of at least one object came from the cache."""


async def resolve(
    tenant: str,
    ids: Sequence[str],
    settings: StoreSettings,
    tuning: ArchiveSettings,
    requests: StoreRequests,
    cache: HeadCache | None,
) -> Resolution:
    """Return the objects of a tenant's ``ids``, and the ids that have none.

    Raises ArchiveError: an id that cannot be used, or a catalogue or a store that fails.
    """
    targets = await _targets(tenant, ids, settings, tuning)
    bucket = settings.source_bucket
    heads, used_cache = await head_all(targets, bucket, requests, cache, tuning.connections)
    found = [source for source in heads if source is not None]
    if targets and not found and await requests.lacks_bucket(bucket, targets[0].key):
        raise no_such_bucket("files", "WHERRY_SOURCE_BUCKET")
    there = {source.file_id for source in found}
    listed = {target.file_id for target in targets}
    missing = [
        SkippedFile(file_id, NO_OBJECT if file_id in listed else NOT_LISTED)
        for file_id in ids
        if file_id not in there
    ]
    return Resolution(found, missing, used_cache)


async def _targets(
    tenant: str, ids: Sequence[str], settings: StoreSettings, tuning: ArchiveSettings
) -> list[Target]:
    """Return where the ids point; the catalogue may not know all of them."""
    shared = settings.source_bucket == settings.archive_bucket
    # Where a template is as wide as the bucket, an id could name another tenant's archive.
    forbidden = settings.archive_prefix if shared else None
    if tuning.catalogue_url is None:
        template = settings.source_key_template
        return [target_of(template, tenant, file_id, forbidden) for file_id in ids]
    return await look_up(tenant, ids, tuning, forbidden)


async def head_all(
    targets: Sequence[Target],
    bucket: str,
    requests: StoreRequests,
    cache: HeadCache | None,
    concurrency: int,
) -> tuple[list[SourceObject | None], bool]:
    """Return the object of every target, in their order, and whether ``cache`` knew one of them.

    None stands for a target without an object. What is found is put into ``cache``.
    """
    heads: list[ObjectHead | None] = [None] * len(targets)
    if cache is not None:
        heads = await cache.read(bucket, [target.key for target in targets])
    unknown = [index for index, head in enumerate(heads) if head is None]

    async def ask(index: int) -> None:
        heads[index] = await requests.head(bucket, targets[index].key)

    await for_each(unknown, ask, concurrency)
    if cache is not None:
        found = {targets[i].key: head for i in unknown if (head := heads[i]) is not None}
        await cache.write(bucket, found)
    objects = [
        _source(target, head) if head is not None else None
        for target, head in zip(targets, heads, strict=True)
    ]
    return objects, len(unknown) < len(targets)


def _source(target: Target, head: ObjectHead) -> SourceObject:
    return SourceObject(
        file_id=target.file_id,
        key=target.key,
        name=target.name,
        size=head.size,
        etag=head.etag,
        modified=head.modified,
        crc32=head.crc32,
        sha256=head.sha256,
    )


def settle_missing(
    found: Sequence[SourceObject], missing: Sequence[SkippedFile], on_missing: OnMissing
) -> None:
    """Raise ArchiveError (FilesNotFound, not retryable) when the job cannot do without a file."""
    if not missing or (on_missing is OnMissing.MANIFEST and found):
        return
    raise ArchiveError("FilesNotFound", missing_message(missing), retryable=False)


def missing_message(missing: Sequence[SkippedFile]) -> str:
    """Name the first missing ids and count all of them, within the bounds of a status."""
    count = len(missing)
    start = f"{count} file{' was' if count == 1 else 's were'} not found: "
    named: list[str] = []
    for item in missing[:NAMED_IDS]:
        shown = repr(item.file_id if len(item.file_id) <= 64 else item.file_id[:61] + "...")
        if len(start) + sum(len(name) + 2 for name in named) + len(shown) > MAX_MESSAGE - 32:
            break
        named.append(shown)
    rest = count - len(named)
    return start + ", ".join(named) + (f" and {rest} more." if rest else ".")
