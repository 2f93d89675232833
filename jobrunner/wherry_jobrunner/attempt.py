"""One claimed attempt, from the claim to its end."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final

from wherry_core import tracing
from wherry_core.resources import DownloadJob
from wherry_jobrunner import metrics
from wherry_jobrunner import simulated_delay as delay
from wherry_jobrunner.archive.interface import (
    ArchiveError,
    ArchiveProgress,
    ArchiveRequest,
    ArchiveResult,
)
from wherry_jobrunner.claim import status_patches
from wherry_jobrunner.claim.claim_patch import Claim, claim_of
from wherry_jobrunner.claim.ownership import Standing, standing
from wherry_jobrunner.completion import Ending, Outcome
from wherry_jobrunner.dependencies import Tools
from wherry_jobrunner.kubernetes_client import NotFoundError, RefusedError, UnavailableError
from wherry_jobrunner.progress.coalescing import Coalescer
from wherry_jobrunner.progress.progress import Figures, figures_of, first_figures
from wherry_jobrunner.progress.publisher import PUBLISH_SECONDS, job_with, tell
from wherry_jobrunner.supervision import end_all, guarded

log = logging.getLogger(__name__)

RESOURCE_SECONDS: Final = 30.0
"""Shortest time between two reports of progress to the resource."""
CHECK_PATIENCE_SECONDS: Final = 10.0


class Stop(StrEnum):
    """Why an attempt is stopped before its archive is there."""

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
    """Works on one claimed job. ``run`` once; the other methods steer it meanwhile."""

    def __init__(self, tools: Tools, job: DownloadJob) -> None:
        self.job = job
        """The newest version of the job that this runner knows."""
        self.claim: Claim = claim_of(job, tools.settings.name)
        self._tools = tools
        self._began = time.monotonic()
        self._figures: Figures = first_figures(job)
        self._step = job.status.step
        self._stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._check = asyncio.Event()
        self._context = {"job": job.key, "attempt": self.claim.attempt}
        self._to_followers = Coalescer[None](PUBLISH_SECONDS, self._tell_followers)
        self._to_resource = Coalescer[None](RESOURCE_SECONDS, self._tell_resource, self._began)

    def stop(self, reason: Stop) -> None:
        """Have the attempt stopped; the first reason counts."""
        if not self._stop.done():
            self._stop.set_result(reason)

    def check(self) -> None:
        """Have the attempt look at its job: is it still ours, cancelled, suspended?"""
        self._check.set()

    async def run(self) -> Outcome:
        """Make the archive and record how it ended. It raises nothing but cancellation."""
        log.info("attempt begins", extra=self._context)
        helpers = [
            self._helper("telling followers", self._to_followers.run),
            self._helper("telling the resource", self._to_resource.run),
            self._helper("checking the claim", self._check_when_asked),
        ]
        self._to_followers.offer(None)
        try:
            found = await self._bundle_or_stop()
        finally:
            await end_all(helpers)
        ending = Ending(self._tools, self.claim, self.job, self._figures, self._step + 1)
        try:
            with tracing.span("record"):
                outcome = await self._end(ending, found)
        except Exception:
            metrics.FAULTS.labels("ending an attempt").inc()
            log.exception("the end of the attempt could not be recorded", extra=self._context)
            outcome = Outcome.GAVE_UP
        metrics.ATTEMPTS.labels(outcome.value).inc()
        metrics.ATTEMPT_SECONDS.observe(time.monotonic() - self._began)
        log.info("attempt ended: %s", outcome.value, extra=self._context)
        return outcome

    def _helper(self, what: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        return asyncio.create_task(guarded(what, loop, self._context))

    async def _end(self, ending: Ending, found: ArchiveResult | ArchiveError | Stop) -> Outcome:
        if isinstance(found, ArchiveResult):
            return await ending.complete(found)
        if isinstance(found, ArchiveError):
            return await ending.fail(found)
        if found is Stop.HAND_BACK:
            return await ending.hand_back()
        return await ending.leave(Outcome(found.value))

    async def _bundle_or_stop(self) -> ArchiveResult | ArchiveError | Stop:
        work = asyncio.create_task(self._bundle())
        try:
            either: set[asyncio.Future[Any]] = {work, self._stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A finished archive counts even if we were asked to stop meanwhile.
            work.cancel()
            await asyncio.wait({work})
        if work.cancelled():
            return self._stop.result()
        error = work.exception()
        if error is None:
            return work.result()
        if self._stop.done():
            log.info("stopping the archive ended with %r", error, extra=self._context)
            return self._stop.result()
        if isinstance(error, ArchiveError):
            log.warning("the archive failed: %s", error, extra=self._context)
            return error
        metrics.FAULTS.labels("making an archive").inc()
        log.error("making the archive met an unexpected error", exc_info=error, extra=self._context)
        message = "The runner met an unexpected error; its log tells more."
        return ArchiveError("InternalError", message, retryable=True)

    async def _bundle(self) -> ArchiveResult:
        tools = self._tools
        seconds = delay.chosen_delay(tools.settings, random.uniform)
        await delay.wait(seconds, lambda: self._to_followers.offer(None))
        request = ArchiveRequest(
            namespace=self.claim.namespace,
            uid=self.claim.uid,
            attempt=self.claim.attempt,
            file_ids=self.job.spec.file_ids,
            archive_name=self.job.archive_name,
            on_missing=self.job.spec.on_missing,
            job=self.claim.job,
        )
        return await tools.bundle(
            request,
            tools.store,
            tools.store_settings,
            report=self._report,
            redis=tools.redis.redis,
        )

    def _report(self, progress: ArchiveProgress) -> None:
        figures = figures_of(progress, self._figures)
        if figures != self._figures:
            self._figures = figures
            self._to_followers.offer(None)
            self._to_resource.offer(None)

    async def _tell_followers(self, _: None) -> None:
        shown = job_with(self.job, self._figures, self._step)
        self._step += 1
        await tell(self._tools.redis, shown, self._tools.lifetimes.completed)

    async def _tell_resource(self, _: None) -> None:
        patch = status_patches.progress_patch(self.claim, self._step, self._figures)
        try:
            self.job = await self._tools.api.patch_status(
                self.claim.namespace, self.claim.name, patch, patience_seconds=0
            )
        except (RefusedError, NotFoundError):
            self.check()
        except UnavailableError as error:
            log.warning("progress was not recorded: %s", error, extra=self._context)

    async def _check_when_asked(self) -> None:
        while True:
            await self._check.wait()
            self._check.clear()
            try:
                job: DownloadJob | None = await self._tools.api.read_job(
                    self.claim.namespace,
                    self.claim.name,
                    patience_seconds=CHECK_PATIENCE_SECONDS,
                )
            except NotFoundError:
                job = None
            except UnavailableError as error:
                log.warning("the claim could not be checked: %s", error, extra=self._context)
                continue
            found = standing(job, self.claim)
            if reason := STOP_OF_STANDING.get(found):
                log.info("the attempt is stopped: %s", found.value, extra=self._context)
                self.stop(reason)
            elif job is not None:
                self.job = job
