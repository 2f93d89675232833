"""One claimed attempt, from the claim to its completion."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from wherry_core import tracing
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError, RefusedError
from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner.archive.interface import (
    ArchiveError,
    ArchiveProgress,
    ArchiveRequest,
    ArchiveResult,
)
from wherry_jobrunner.claim import status_patches
from wherry_jobrunner.claim.claim_patch import Claim, claim_of
from wherry_jobrunner.claim.ownership import Standing, standing
from wherry_jobrunner.completion import Completion, Outcome
from wherry_jobrunner.dependencies import Dependencies
from wherry_jobrunner.progress.coalescing import Coalescer
from wherry_jobrunner.progress.progress import Progress, initial_progress, progress_of
from wherry_jobrunner.progress.publisher import PUBLISH_SECONDS, job_with, publish
from wherry_jobrunner.supervision import cancel_all, supervised

log = logging.getLogger(__name__)

RESOURCE_SECONDS: Final = 30.0
"""Shortest time between two records of progress in the resource."""
CHECK_PATIENCE_SECONDS: Final = 10.0


class Stop(StrEnum):
    """Why an attempt is stopped before its archive is stored."""

    HAND_BACK = "hand_back"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    FENCED = "fenced"


STOP_OF_STANDING: Final = {
    Standing.SUSPENDED: Stop.HAND_BACK,
    Standing.CANCELLED: Stop.CANCELLED,
    Standing.DELETED: Stop.DELETED,
    Standing.FENCED: Stop.FENCED,
}


class Attempt:
    """Works on one claimed job. ``run`` once; the other methods control it meanwhile."""

    def __init__(self, dependencies: Dependencies, job: DownloadJob) -> None:
        self.job = job
        """The newest version of the job that this runner knows."""
        self.claim: Claim = claim_of(job, dependencies.settings.runner)
        self._dependencies = dependencies
        self._began = time.monotonic()
        self._progress: Progress = initial_progress(job)
        self._step = job.status.step
        self._stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._check = asyncio.Event()
        self._context = {"job": job.key, "attempt": self.claim.attempt}
        self._published = Coalescer[None](PUBLISH_SECONDS, self._publish)
        self._recorded = Coalescer[None](RESOURCE_SECONDS, self._record, self._began)

    def stop(self, reason: Stop) -> None:
        """Stop the attempt; the first reason counts."""
        if not self._stop.done():
            self._stop.set_result(reason)

    def check(self) -> None:
        """Have the attempt read its job: is it still ours, cancelled, suspended, deleted?"""
        self._check.set()

    async def run(self) -> Outcome:
        """Make the archive and record the outcome. Raises only CancelledError."""
        log.info("attempt begins", extra=self._context)
        helpers = [
            self._helper("publishing progress", self._published.run),
            self._helper("recording progress", self._recorded.run),
            self._helper("checking the claim", self._check_when_asked),
        ]
        self._published.offer(None)
        try:
            result = await self._bundle_or_stop()
        finally:
            await cancel_all(helpers)
        completion = Completion(
            self._dependencies, self.claim, self.job, self._progress, self._step + 1
        )
        try:
            with tracing.span("record"):
                outcome = await self._complete(completion, result)
        except Exception:
            metrics.FAULTS.labels("completing an attempt").inc()
            log.exception("the outcome could not be recorded", extra=self._context)
            outcome = Outcome.GAVE_UP
        metrics.ATTEMPTS.labels(outcome.value).inc()
        metrics.ATTEMPT_SECONDS.observe(time.monotonic() - self._began)
        log.info("attempt ended: %s", outcome.value, extra=self._context)
        return outcome

    def _helper(self, what: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(supervised(what, loop, self._context))

    async def _complete(
        self, completion: Completion, result: ArchiveResult | ArchiveError | Stop
    ) -> Outcome:
        if isinstance(result, ArchiveResult):
            return await completion.complete(result)
        if isinstance(result, ArchiveError):
            return await completion.fail(result)
        if result is Stop.HAND_BACK:
            return await completion.hand_back()
        return await completion.abandon(Outcome(result.value))

    async def _bundle_or_stop(self) -> ArchiveResult | ArchiveError | Stop:
        work = asyncio.create_task(self._bundle())
        try:
            either: set[asyncio.Future[Any]] = {work, self._stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A finished archive counts even if the attempt was stopped meanwhile.
            work.cancel()
            await asyncio.wait({work})
        if work.cancelled():
            return self._stop.result()
        error = work.exception()
        if error is None:
            return work.result()
        if self._stop.done():
            log.info("the stopped archive ended with %r", error, extra=self._context)
            return self._stop.result()
        if isinstance(error, ArchiveError):
            log.warning("the archive failed: %s", error, extra=self._context)
            return error
        metrics.FAULTS.labels("making an archive").inc()
        log.error("unexpected error while making an archive", exc_info=error, extra=self._context)
        message = "Internal error of the runner. The runner's log has the details."
        return ArchiveError("InternalError", message, retryable=True)

    async def _bundle(self) -> ArchiveResult:
        dependencies = self._dependencies
        request = ArchiveRequest(
            namespace=self.claim.namespace,
            uid=self.claim.uid,
            attempt=self.claim.attempt,
            file_ids=self.job.spec.file_ids,
            archive_name=self.job.archive_name,
            on_missing=self.job.spec.on_missing,
            job=self.claim.job,
        )
        return await dependencies.bundle(
            request,
            dependencies.store,
            dependencies.store_settings,
            report=self._report,
            redis=dependencies.redis.redis,
        )

    def _report(self, archive: ArchiveProgress) -> None:
        progress = progress_of(archive, self._progress)
        self._published.offer(None)
        if progress != self._progress:
            self._progress = progress
            self._recorded.offer(None)

    async def _publish(self, _: None) -> None:
        if self._stop.done():
            # The job may be deleted or in another attempt, and its subscribers know.
            return
        shown = job_with(self.job, self._progress, self._step)
        self._step += 1
        dependencies = self._dependencies
        now = dependencies.jobs.clock.now()
        await publish(dependencies.redis, shown, dependencies.lifetimes.completed, now)

    async def _record(self, _: None) -> None:
        patch = status_patches.progress_patch(self.claim, self._step, self._progress)
        try:
            self.job = await self._dependencies.jobs.patch_status(
                self.claim.namespace, self.claim.name, patch, patience_seconds=0
            )
        except (NotFoundError, RefusedError):
            self.check()
        except KubernetesError as error:
            log.warning("progress was not recorded: %s", error, extra=self._context)

    async def _check_when_asked(self) -> None:
        while True:
            await self._check.wait()
            self._check.clear()
            try:
                job: DownloadJob | None = await self._dependencies.jobs.read_job(
                    self.claim.namespace,
                    self.claim.name,
                    patience_seconds=CHECK_PATIENCE_SECONDS,
                )
            except NotFoundError:
                job = None
            except KubernetesError as error:
                log.warning("the claim could not be checked: %s", error, extra=self._context)
                continue
            found = standing(job, self.claim)
            if reason := STOP_OF_STANDING.get(found):
                log.info("the attempt is stopped: %s", found.value, extra=self._context)
                self.stop(reason)
            elif job is not None:
                self.job = job


@contextmanager
def traced_attempt(
    job: DownloadJob, runner: str, began: int
) -> Iterator[Callable[[Outcome], None]]:
    """Trace an attempt whose claim began at ``began`` (nanoseconds since 1970).

    Yields a function that takes the attempt's outcome.
    """
    if not tracing.on():
        yield lambda _: None
        return
    claimed, metadata = time.time_ns(), job.metadata
    with tracing.span(
        "attempt",
        parent=tracing.of_job(metadata.uid, metadata.annotations),
        started=began,
        attributes={
            "wherry.job": job.key,
            "wherry.attempt": job.status.attempt,
            "wherry.runner": runner,
        },
    ) as span:
        tracing.record("claim", started=began, ended=claimed)

        def ended(outcome: Outcome) -> None:
            if span is not None:
                span.set_attribute("wherry.outcome", outcome.value)
                if outcome in {Outcome.FAILED, Outcome.GAVE_UP}:
                    tracing.mark_failed(span, outcome.value)

        yield ended
