"""The model check: what must hold in every recorded run, whatever faults occurred.

A pure function over facts that :mod:`tests.harness.recording` gathers from the watch, the bucket,
the pods and the audit log once the run is quiet.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tests.harness.history import Change, violations
from wherry_core.archive_keys import archive_folder
from wherry_core.resources import Archive, DownloadJob, Phase
from wherry_core.settings import StoreSettings

COMPLETED = frozenset({Phase.COMPLETED})
CLOCK_TOLERANCE: Final = timedelta(seconds=5)
"""The API server gives its time in whole seconds, and an answer takes a while on a busy machine."""
GONE: Final = frozenset({404, 410})


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket, as it was read."""

    size: int
    etag: str = ""
    """Without quotes."""
    crc32: str = ""
    """Of its bytes, in base64 as S3 writes it."""
    damage: str = ""
    """What is wrong with it as a ZIP archive; empty when nothing is, or when it is none."""
    members: Mapping[str, int] = field(default_factory=dict)
    """Of a whole ZIP archive: the CRC-32 of each member's bytes, by name."""


@dataclass(frozen=True)
class SourceVersion:
    """The bytes that a source file had for a while."""

    crc32: int
    stored: datetime
    """When they began to be stored."""
    replaced: datetime | None = None
    """When the next bytes were stored; None: these are the newest."""


@dataclass(frozen=True)
class Answers:
    """The HTTP status codes with which the API answers for one job."""

    status: int
    """Of ``/v1/download/status/{jobId}``."""
    download: int
    """Of ``/v1/download/{jobId}``, which redirects to the archive."""


@dataclass(frozen=True)
class Facts:
    """All that was recorded of one run."""

    asked: Mapping[str, frozenset[Phase]]
    """The jobs (``namespace/name``) that were acknowledged, and how each of them may end."""
    changes: tuple[Change, ...]
    """Every event of the watch, oldest first."""
    jobs: tuple[DownloadJob, ...]
    """The jobs that exist now, without the unreadable ones."""
    store: StoreSettings
    deleted: frozenset[str] = frozenset()
    """Jobs that were deleted, in any phase; they need not exist any more."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """What the API answers for each job that was acknowledged; empty: it was not asked."""
    sources: Mapping[str, tuple[SourceVersion, ...]] = field(default_factory=dict)
    """By file id: the bytes that the file had, oldest first; empty: they were not recorded."""
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    """Everything in the bucket, by key."""
    uploads: tuple[str, ...] = ()
    """Keys of the open multipart uploads under the archive prefix."""
    pods: tuple[Mapping[str, Any], ...] = ()
    """The runner pods that exist now."""
    pool_uids: frozenset[str] = frozenset()
    writes_when_quiet: tuple[str, ...] = ()
    """Writes to the API server, as "verb resource", after all work had ended."""


def broken_promises(facts: Facts) -> list[str]:
    """Return a sentence for every promise that the run broke.

    No job is lost; at most one archive a job is ever completed; attempts only grow; a terminal
    phase never changes; progress and step grow within an attempt; an attempt has one runner;
    Completed means that the object is there with that size and checksum, and that each member has
    bytes that its source had while the job existed; the times of a job are those of one clock; the
    API answers for exactly the jobs that exist; no archive, upload or pod is without an owner;
    nothing is written when nothing changes.
    """
    return [
        *violations(facts.changes),
        *_falling_steps(facts.changes),
        *_completed_twice(facts.changes),
        *_wrong_times(facts.changes),
        *_lost(facts),
        *_wrong_answers(facts),
        *_missing_archives(facts),
        *_wrong_members(facts),
        *_unowned_objects(facts),
        *_unowned_uploads(facts),
        *_unowned_pods(facts),
        *(f"written although no job was at work: {each}" for each in facts.writes_when_quiet),
    ]


def _versions(changes: tuple[Change, ...]) -> dict[str, list[DownloadJob]]:
    by_uid: dict[str, list[DownloadJob]] = defaultdict(list)
    for change in changes:
        by_uid[change.job.metadata.uid].append(change.job)
    return by_uid


def _falling_steps(changes: tuple[Change, ...]) -> list[str]:
    found = []
    for versions in _versions(changes).values():
        for old, new in itertools.pairwise(versions):
            same = old.status.attempt == new.status.attempt and new.status.phase is old.status.phase
            if same and new.status.step < old.status.step:
                found.append(f"{new.key}: step fell from {old.status.step} to {new.status.step}")
    return found


def _completed_twice(changes: tuple[Change, ...]) -> list[str]:
    found = []
    for versions in _versions(changes).values():
        keys = {each.status.archive.key for each in versions if each.status.archive}
        if len(keys) > 1:
            found.append(f"{versions[0].key}: completed with {len(keys)} archives: {sorted(keys)}")
    return found


def _wrong_times(changes: tuple[Change, ...]) -> list[str]:
    """Return what is wrong with the times that runners and operators wrote.

    A time before the job's creation, or in the future, was read from a wrong clock.
    """
    found: dict[str, None] = {}
    for change in changes:
        created, status = change.job.metadata.creation_timestamp, change.job.status
        times = [
            ("startTime", status.start_time),
            ("attemptStartTime", status.attempt_start_time),
            ("completionTime", status.completion_time),
        ]
        times += [("failures", each.time) for each in status.failures]
        for name, value in times:
            if value is None:
                continue
            if created is not None and value < created - CLOCK_TOLERANCE:
                found[f"{change.job.key}: {name} {value} is before its creation"] = None
            if value > change.seen + CLOCK_TOLERANCE:
                found[f"{change.job.key}: {name} {value} is in the future"] = None
    return list(found)


def _lost(facts: Facts) -> list[str]:
    there = {job.key: job for job in facts.jobs}
    last = {change.job.key: change for change in facts.changes}
    found = []
    for key, allowed in sorted(facts.asked.items()):
        job = there.get(key)
        if job is None and key in facts.deleted:
            continue
        if job is None:
            ended = key in last and last[key].kind == "DELETED" and last[key].job.ended
            if not ended:
                found.append(f"{key}: lost: it was acknowledged and does not exist")
        elif not job.ended:
            status = job.status
            found.append(f"{key}: lost: it stays {status.phase} (attempt {status.attempt})")
        elif job.status.phase not in allowed:
            why = "; ".join(f"{each.reason}: {each.message}" for each in job.status.failures[-3:])
            found.append(f"{key}: ended as {job.status.phase}, not {_names(allowed)}: {why}")
    unknown = [job.key for job in facts.jobs if job.key not in facts.asked]
    return found + [f"{key}: it was never asked for" for key in sorted(unknown)]


def _names(phases: frozenset[Phase]) -> str:
    return " or ".join(sorted(phases))


def _wrong_answers(facts: Facts) -> list[str]:
    existing = {job.key: job for job in facts.jobs}
    found = []
    for key, answers in sorted(facts.answers.items()):
        job = existing.get(key)
        if job is None:
            if answers.status not in GONE:
                found.append(f"{key}: gone, but its status is answered with {answers.status}")
            if answers.download not in GONE:
                found.append(f"{key}: gone, but its download is answered with {answers.download}")
        elif answers.status != 200:
            found.append(f"{key}: it exists, but its status is answered with {answers.status}")
        elif job.status.phase is Phase.COMPLETED and answers.download != 302:
            found.append(f"{key}: Completed, but its download is answered with {answers.download}")
    return found


def _missing_archives(facts: Facts) -> list[str]:
    found = []
    for job in facts.jobs:
        archive = job.status.archive
        if job.status.phase is not Phase.COMPLETED:
            if archive is not None:
                found.append(f"{job.key}: {job.status.phase}, but it has an archive")
            continue
        if archive is None:
            found.append(f"{job.key}: Completed without an archive")
            continue
        stored = facts.objects.get(archive.key)
        if stored is None:
            found.append(f"{job.key}: Completed, but {archive.key} is not in the bucket")
        else:
            found += [f"{job.key}: {each}" for each in _differences(archive, stored)]
        if archive.manifest_key and archive.manifest_key not in facts.objects:
            found.append(f"{job.key}: its manifest {archive.manifest_key} is not in the bucket")
    return found


def _differences(archive: Archive, stored: StoredObject) -> list[str]:
    found = []
    if stored.size != archive.size:
        found.append(f"{archive.key} has {stored.size} bytes, not {archive.size}")
    algorithm, _, value = archive.checksum.partition(":")
    known = {"ETag": stored.etag, "CRC32": stored.crc32}
    if algorithm not in known or known[algorithm] != value.strip('"'):
        found.append(f"{archive.key} does not have the checksum {archive.checksum!r}")
    if stored.damage:
        found.append(f"{archive.key} is damaged: {stored.damage}")
    return found


def _wrong_members(facts: Facts) -> list[str]:
    found = []
    for job in facts.jobs:
        archive = job.status.archive
        stored = facts.objects.get(archive.key) if archive else None
        if stored is None or not stored.members:
            continue
        for file_id in job.spec.file_ids:
            allowed = _allowed_bytes(facts.sources.get(file_id, ()), job)
            if allowed and stored.members.get(file_id) not in allowed:
                found.append(
                    f"{job.key}: the archive holds bytes for {file_id} that the file did not have"
                )
    return found


def _allowed_bytes(versions: tuple[SourceVersion, ...], job: DownloadJob) -> set[int]:
    """Return the CRC-32 of all bytes that a source had between a job's creation and its end."""
    created, ended = job.metadata.creation_timestamp, job.status.completion_time
    return {
        version.crc32
        for version in versions
        if (ended is None or version.stored <= ended + CLOCK_TOLERANCE)
        and (created is None or version.replaced is None or version.replaced >= created)
    }


def _unowned_objects(facts: Facts) -> list[str]:
    owned: set[str] = set()
    for job in facts.jobs:
        if job.status.archive:
            owned |= {job.status.archive.key, job.status.archive.manifest_key or ""}
    prefix = facts.store.archive_prefix
    return [
        f"object without an owner: {key}"
        for key in sorted(facts.objects)
        if key.startswith(prefix) and key not in owned
    ]


def _unowned_uploads(facts: Facts) -> list[str]:
    working = [
        archive_folder(facts.store, job.metadata.namespace, job.metadata.uid)
        for job in facts.jobs
        if not job.ended
    ]
    return [
        f"upload without an owner: {key}"
        for key in sorted(facts.uploads)
        if not any(key.startswith(folder) for folder in working)
    ]


def _unowned_pods(facts: Facts) -> list[str]:
    found = []
    for pod in facts.pods:
        owners = {each["uid"] for each in pod["metadata"].get("ownerReferences", [])}
        if not owners & facts.pool_uids:
            found.append(f"pod without an owner: {pod['metadata']['name']}")
    return found
