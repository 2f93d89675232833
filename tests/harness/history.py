"""The recorded history of DownloadJobs, and what must hold in every history."""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from tests.harness.api import JOBS, Api, ApiError
from tests.harness.waiting import eventually
from wherry_core.resources import TERMINAL_PHASES, DownloadJob, Phase


@dataclass(frozen=True)
class Change:
    """One event of a watch."""

    kind: str
    """ADDED, MODIFIED or DELETED."""
    job: DownloadJob
    """The job as the change left it."""
    seen: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    """When the change was recorded, by the clock of the tests."""


@dataclass
class JobHistory:
    """All changes that a watch saw, oldest first."""

    changes: list[Change] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    """Jobs (``namespace/name``) that this version's model refuses; their changes are left out."""
    version: str = ""
    """The resourceVersion up to which the history is complete."""
    breaks: int = 0
    """How often the watch was lost and resumed."""

    def of(self, job: DownloadJob) -> list[Change]:
        """Return the changes of one job."""
        return [each for each in self.changes if each.job.metadata.uid == job.metadata.uid]

    def phases(self, job: DownloadJob) -> list[str]:
        """Return the phases of one job in their order, repeats left out."""
        seen: list[str] = []
        for change in self.of(job):
            phase = str(change.job.status.phase or "")
            if not seen or seen[-1] != phase:
                seen.append(phase)
        return seen

    async def reach(self, version: str, within: float = 30.0) -> None:
        """Wait until the history holds everything up to ``version``.

        Raises TooLateError. Resource versions of one kind are integers that grow
        (KEP-5504 makes it a promise).
        """
        await eventually(
            f"the history to reach resourceVersion {version}",
            lambda: self.version,
            lambda seen: int(seen or 0) >= int(version),
            within=within,
        )


async def _record(api: Api, history: JobHistory, namespace: str | None) -> None:
    while True:
        try:
            async for kind, body in api.watch(JOBS, namespace, history.version):
                if kind != "BOOKMARK":
                    history.changes.append(Change(kind, DownloadJob.model_validate(body)))
                history.version = body["metadata"]["resourceVersion"]
        except (OSError, TimeoutError, aiohttp.ClientError):
            history.breaks += 1
        except ApiError as error:
            if error.status < 500 and error.status != 429:
                raise
            history.breaks += 1
        # Only reached when the server has ended the watch or is unavailable.
        await asyncio.sleep(0.1)


@asynccontextmanager
async def recorded_history(
    api: Api, namespace: str | None = None, version: str = ""
) -> AsyncIterator[JobHistory]:
    """Record all changes of DownloadJobs, of one namespace or all, while the context is open.

    It starts at ``version``, or now. A lost connection is resumed where it broke. A history with a
    gap (410 Gone) fails the context.
    """
    start = version or (await api.list_with_version(JOBS, namespace))[1]
    history = JobHistory(version=start)
    task = asyncio.create_task(_record(api, history, namespace))
    try:
        yield history
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def violations(changes: Iterable[Change]) -> list[str]:
    """Return a sentence for every broken promise in a history.

    Attempts only grow; a terminal phase never changes; progress grows within an attempt; an
    attempt is claimed by one runner only; a job completes at most once.
    """
    found: list[str] = []
    by_uid: dict[str, list[DownloadJob]] = defaultdict(list)
    for change in changes:
        if change.kind != "DELETED":
            by_uid[change.job.metadata.uid].append(change.job)
    for versions in by_uid.values():
        for old, new in itertools.pairwise(versions):
            found += _broken_between(old, new)
        found += _second_runners(versions)
    return found


def _broken_between(old: DownloadJob, new: DownloadJob) -> list[str]:
    found: list[str] = []
    before, after = old.status, new.status
    if after.attempt < before.attempt:
        found.append(f"{new.key}: attempt fell from {before.attempt} to {after.attempt}")
    if before.phase in TERMINAL_PHASES and after.phase != before.phase:
        found.append(f"{new.key}: ended as {before.phase}, then became {after.phase}")
    if before.phase is Phase.COMPLETED and after.archive != before.archive:
        found.append(f"{new.key}: the archive changed after the job was completed")
    processing = before.phase is Phase.PROCESSING and after.phase is Phase.PROCESSING
    same_claim = after.attempt == before.attempt and after.runner == before.runner
    if processing and same_claim and after.progress < before.progress:
        found.append(f"{new.key}: progress fell from {before.progress} to {after.progress}")
    return found


def _second_runners(versions: list[DownloadJob]) -> list[str]:
    runners: dict[int, str] = {}
    found: list[str] = []
    for job in versions:
        runner, attempt = job.status.runner, job.status.attempt
        if runner is None or job.status.phase is not Phase.PROCESSING:
            continue
        first = runners.setdefault(attempt, runner)
        if first != runner:
            found.append(f"{job.key}: attempt {attempt} claimed by {first} and by {runner}")
    return found
