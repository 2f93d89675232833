"""The completion of an attempt: completed, failed, handed back, or abandoned."""

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_core import archive_deletion
from wherry_core.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner.archive.interface import ArchiveError, ArchiveResult
from wherry_jobrunner.claim import status_patches
from wherry_jobrunner.claim.claim_patch import Claim
from wherry_jobrunner.claim.ownership import (
    Standing,
    attempt_folder,
    may_remove,
    owns,
    shows_completion,
    shows_failure,
    shows_hand_back,
    standing,
)
from wherry_jobrunner.claim.status_patches import Operation
from wherry_jobrunner.dependencies import Dependencies
from wherry_jobrunner.kubernetes_client import pauses
from wherry_jobrunner.progress.progress import Progress, progress_of
from wherry_jobrunner.progress.publisher import job_with, publish, record_deletion

log = logging.getLogger(__name__)

LONGEST_CONFLICT_PAUSE_SECONDS: Final = 1.0
HAND_BACK_PATIENCE_SECONDS: Final = 5.0
REMOVE_SECONDS: Final = 30.0


class Outcome(StrEnum):
    """How an attempt ended, as metrics and logs name it."""

    COMPLETED = "completed"
    FAILED = "failed"
    HANDED_BACK = "handed_back"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FENCED = "fenced"
    GAVE_UP = "gave_up"
    """The result could not be recorded; the runner must end, so that the operator notices."""


OUTCOME_OF_STANDING: Final = {
    Standing.DELETED: Outcome.DELETED,
    Standing.CANCELLED: Outcome.CANCELLED,
    Standing.FENCED: Outcome.FENCED,
}


class Recorded(StrEnum):
    """What became of a patch that completes an attempt."""

    DONE = "done"
    REFUSED = "refused"
    """The API server does not accept it although the claim is ours: a fault of ours."""
    UNKNOWN = "unknown"
    """The API server did not accept or refuse it within our patience."""


class Completion:
    """Records the outcome of one attempt; exactly one of its methods is called, once."""

    def __init__(
        self,
        dependencies: Dependencies,
        claim: Claim,
        job: DownloadJob,
        progress: Progress,
        step: int,
    ) -> None:
        self._dependencies = dependencies
        self._claim = claim
        self._job = job
        self._progress = progress
        self._step = step
        self._context = {"job": claim.job, "attempt": claim.attempt}

    async def complete(self, result: ArchiveResult) -> Outcome:
        """Complete the job with a stored archive, unless the claim is no longer ours."""
        progress = progress_of(result.progress, self._progress)
        clock = self._dependencies.jobs.clock
        now = clock.now()
        key = result.archive.key
        recorded = await self._record(
            lambda job: status_patches.completed_patch(
                self._claim, job, self._step, result.archive, progress, now
            ),
            lambda job: shows_completion(job, self._claim, key),
        )
        if recorded is Recorded.REFUSED:
            return await self.fail(
                ArchiveError(
                    "StatusRefused",
                    "The API server refused the completed status. The runner's log has the reason.",
                    retryable=False,
                )
            )
        if recorded is not Recorded.DONE:
            return await self._not_recorded(recorded)
        metrics.ARCHIVED_FILES.inc(progress.files.completed)
        metrics.ARCHIVED_BYTES.inc(result.archive.size)
        lifetime = self._dependencies.lifetimes.completed
        await publish(self._dependencies.redis, self._job, lifetime, clock.now())
        return Outcome.COMPLETED

    async def fail(self, error: ArchiveError) -> Outcome:
        """Record a failed attempt; the operator decides whether another one follows."""
        now = self._dependencies.jobs.clock.now()
        failure = status_patches.failure_of(
            self._claim, error.reason, error.message, now, retryable=error.retryable
        )
        recorded = await self._record(
            lambda job: status_patches.failed_patch(self._claim, job, failure),
            lambda job: shows_failure(job, self._claim, failure),
        )
        return Outcome.FAILED if recorded is Recorded.DONE else await self._not_recorded(recorded)

    async def hand_back(self) -> Outcome:
        """Give the job to the next runner without a failure; uploaded parts stay."""
        recorded = await self._record(
            lambda _: status_patches.hand_back_patch(self._claim),
            lambda job: shows_hand_back(job, self._claim),
            HAND_BACK_PATIENCE_SECONDS,
        )
        if recorded is Recorded.DONE:
            return Outcome.HANDED_BACK
        return await self._not_recorded(recorded)

    async def abandon(self, outcome: Outcome) -> Outcome:
        """Write nothing to the job any more; remove what only this attempt has stored."""
        try:
            job: DownloadJob | None = await self._dependencies.jobs.read_job(
                self._claim.namespace, self._claim.name
            )
        except NotFoundError:
            job = None
        except KubernetesError as error:
            log.warning(
                "the operator will delete the attempt's objects: %s", error, extra=self._context
            )
            return outcome
        if job is None or job.metadata.uid != self._claim.uid:
            last = job_with(self._job, self._progress, self._step)
            now = self._dependencies.jobs.clock.now()
            await record_deletion(self._dependencies.redis, last, now)
        await self._remove(job)
        return outcome

    async def _not_recorded(self, recorded: Recorded | Standing) -> Outcome:
        if isinstance(recorded, Recorded):
            return Outcome.GAVE_UP
        return await self.abandon(OUTCOME_OF_STANDING[recorded])

    async def _record(
        self,
        patch: Callable[[DownloadJob], list[Operation]],
        done: Callable[[DownloadJob], bool],
        patience_seconds: float | None = None,
    ) -> Recorded | Standing:
        """Apply a patch, rebuilt for the present version of the job, as long as the claim is ours.

        A result is not given up because of conflicts, however many there are. ``done`` recognizes
        in the job a patch that was applied although its answer was lost. Suspending and cancelling
        come too late for an attempt that has ended. Returns the state of the claim when it is no
        longer ours.
        """
        jobs, claim = self._dependencies.jobs, self._claim
        patience = patience_seconds or self._dependencies.settings.completion_patience_seconds
        deadline = time.monotonic() + patience
        body = patch(self._job)
        try:
            for pause in pauses(LONGEST_CONFLICT_PAUSE_SECONDS):
                refusal: KubernetesError
                left = max(deadline - time.monotonic(), 0.0)
                try:
                    self._job = await jobs.patch_status(
                        claim.namespace, claim.name, body, patience_seconds=left
                    )
                except ForbiddenError:
                    raise
                except (ConflictError, RefusedError) as error:
                    refusal = error
                else:
                    return Recorded.DONE
                left = max(deadline - time.monotonic(), 0.0)
                self._job = await jobs.read_job(claim.namespace, claim.name, patience_seconds=left)
                if done(self._job):
                    return Recorded.DONE
                if not owns(self._job, claim):
                    return standing(self._job, claim)
                rebuilt = patch(self._job)
                if isinstance(refusal, RefusedError) and rebuilt == body:
                    # Every test of the patch holds, so the refusal is about its contents.
                    metrics.FAULTS.labels("recording a completion").inc()
                    log.error("the API server refuses our status: %s", refusal, extra=self._context)
                    return Recorded.REFUSED
                if time.monotonic() + pause > deadline:
                    log.error("the outcome was not recorded: %s", refusal, extra=self._context)
                    return Recorded.UNKNOWN
                body = rebuilt
                await asyncio.sleep(pause)
        except NotFoundError:
            return Standing.DELETED
        except (ForbiddenError, UnavailableError) as error:
            log.error("the outcome was not recorded: %s", error, extra=self._context)
            return Recorded.UNKNOWN
        raise AssertionError("pauses never end")

    async def _remove(self, job: DownloadJob | None) -> None:
        settings, store = self._dependencies.store_settings, self._dependencies.store
        folder = attempt_folder(settings, self._claim)
        if not may_remove(job, self._claim, folder):
            return
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                await archive_deletion.abort_uploads(store, settings, folder)
                await archive_deletion.delete_objects(store, settings, folder)
        except (BotoCoreError, ClientError, OSError, TimeoutError, RuntimeError) as error:
            # The operator's orphan sweep deletes them later.
            log.warning("the attempt's objects were not deleted: %s", error, extra=self._context)
