"""How an attempt ends: completed, failed, handed back, or left to others."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_core import archive_storage
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
from wherry_jobrunner.dependencies import Tools
from wherry_jobrunner.kubernetes_client import (
    ApiServerError,
    ConflictError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from wherry_jobrunner.progress.progress import Figures, figures_of
from wherry_jobrunner.progress.publisher import tell

log = logging.getLogger(__name__)

TRIES: Final = 8
"""Times that a patch is made anew because the job changed under it."""
CONFLICT_PAUSE_SECONDS: Final = 0.1
HAND_BACK_PATIENCE_SECONDS: Final = 5.0
REMOVE_SECONDS: Final = 30.0

Operations = Sequence[dict[str, Any]]


class Outcome(StrEnum):
    """How an attempt ended, as metrics and logs name it."""

    COMPLETED = "completed"
    FAILED = "failed"
    HANDED_BACK = "handed_back"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FENCED = "fenced"
    GAVE_UP = "gave_up"
    """The API server could not be told; the runner must end, so that the operator notices."""


OUTCOME_OF_STANDING: Final = {
    Standing.DELETED: Outcome.DELETED,
    Standing.CANCELLED: Outcome.CANCELLED,
    Standing.FENCED: Outcome.FENCED,
}


class Recorded(StrEnum):
    """What became of a patch that ends an attempt."""

    DONE = "done"
    REFUSED = "refused"
    """The API server does not take it although the claim is ours: a fault of ours."""
    UNKNOWN = "unknown"
    """The API server did not answer for as long as we were patient."""


class Ending:
    """Records the end of one attempt; exactly one of its methods is called, once."""

    def __init__(
        self, tools: Tools, claim: Claim, job: DownloadJob, figures: Figures, step: int
    ) -> None:
        self._tools = tools
        self._claim = claim
        self._job = job
        self._figures = figures
        self._step = step
        self._context = {"job": claim.job, "attempt": claim.attempt}

    async def complete(self, result: ArchiveResult) -> Outcome:
        """Complete the job with a stored archive, unless it is no longer ours."""
        figures = figures_of(result.progress, self._figures)

        def patch(job: DownloadJob) -> Operations:
            now = datetime.now(UTC)
            return status_patches.completed_patch(
                self._claim, job, self._step, result.archive, figures, now
            )

        key = result.archive.key
        found = await self._record(patch, lambda job: shows_completion(job, self._claim, key))
        if found is Recorded.REFUSED:
            return await self.fail(
                ArchiveError(
                    "StatusRefused",
                    "The API server refused the completed status; the runner's log tells why.",
                    retryable=False,
                )
            )
        if found is not Recorded.DONE:
            return await self._left(found)
        metrics.ARCHIVED_FILES.inc(figures.files.completed)
        metrics.ARCHIVED_BYTES.inc(result.archive.size)
        await tell(self._tools.redis, self._job, self._tools.lifetimes.completed)
        return Outcome.COMPLETED

    async def fail(self, error: ArchiveError) -> Outcome:
        """Record a failed attempt; whether there is another one is the operator's decision."""
        failure = status_patches.failure_of(
            self._claim, error.reason, error.message, datetime.now(UTC), retryable=error.retryable
        )
        found = await self._record(
            lambda job: status_patches.failed_patch(self._claim, job, failure),
            lambda job: shows_failure(job, self._claim, failure),
        )
        return Outcome.FAILED if found is Recorded.DONE else await self._left(found)

    async def hand_back(self) -> Outcome:
        """Give the job to the next runner without a failure; uploaded parts stay."""
        found = await self._record(
            lambda _: status_patches.hand_back_patch(self._claim),
            lambda job: shows_hand_back(job, self._claim),
            HAND_BACK_PATIENCE_SECONDS,
        )
        return Outcome.HANDED_BACK if found is Recorded.DONE else await self._left(found)

    async def leave(self, outcome: Outcome) -> Outcome:
        """Write nothing to the job any more; remove what only this attempt had stored."""
        try:
            job: DownloadJob | None = await self._tools.api.read_job(
                self._claim.namespace, self._claim.name
            )
        except NotFoundError:
            job = None
        except ApiServerError as error:
            log.warning("what it stored stays for the sweep: %s", error, extra=self._context)
            return outcome
        await self._remove(job)
        return outcome

    async def _left(self, found: Recorded | Standing) -> Outcome:
        if isinstance(found, Recorded):
            return Outcome.GAVE_UP
        return await self.leave(OUTCOME_OF_STANDING[found])

    async def _record(
        self,
        patch: Callable[[DownloadJob], Operations],
        done: Callable[[DownloadJob], bool],
        patience_seconds: float | None = None,
    ) -> Recorded | Standing:
        """Apply the patch, made anew for each version of the job, for as long as the claim is ours.

        ``done`` tells from the job whether an earlier try, whose answer was lost, succeeded.
        Suspending and cancelling come too late for an attempt that has ended. Returns how the
        claim stands when it is no longer ours.
        """
        api, claim = self._tools.api, self._claim
        patience = patience_seconds or self._tools.settings.completion_patience_seconds
        refusal: ApiServerError | None = None
        try:
            for _ in range(TRIES):
                tried = self._job.metadata.resource_version
                try:
                    self._job = await api.patch_status(
                        claim.namespace, claim.name, patch(self._job), patience_seconds=patience
                    )
                except (ConflictError, RefusedError) as error:
                    refusal = error
                else:
                    return Recorded.DONE
                self._job = await api.read_job(
                    claim.namespace, claim.name, patience_seconds=patience
                )
                if done(self._job):
                    return Recorded.DONE
                if not owns(self._job, claim):
                    return standing(self._job, claim)
                if isinstance(refusal, RefusedError) and (
                    tried == self._job.metadata.resource_version
                ):
                    break
                await asyncio.sleep(CONFLICT_PAUSE_SECONDS)
        except NotFoundError:
            return Standing.DELETED
        except UnavailableError as error:
            log.error("the end of the attempt was not recorded: %s", error, extra=self._context)
            return Recorded.UNKNOWN
        metrics.FAULTS.labels("recording an end").inc()
        log.error("the API server refuses our status: %s", refusal, extra=self._context)
        return Recorded.REFUSED

    async def _remove(self, job: DownloadJob | None) -> None:
        settings, store = self._tools.store_settings, self._tools.store
        folder = attempt_folder(settings, self._claim)
        if not may_remove(job, self._claim, folder):
            return
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                await archive_storage.abort_uploads(store, settings, folder)
                await archive_storage.delete_objects(store, settings, folder)
        except (BotoCoreError, ClientError, OSError, TimeoutError, RuntimeError) as error:
            # The operator's sweep finds them later.
            log.warning("what it stored was not removed: %s", error, extra=self._context)
