"""The work loop: takes jobs from the queue while there are free slots."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.client import Redis
from wherry_core.redis.job_queue import Waiting
from wherry_core.redis.link import RedisUnavailableError
from wherry_jobrunner import metrics
from wherry_jobrunner.attempt import Attempt, Stop, traced_attempt
from wherry_jobrunner.claim.claim_loop import ApiServerUnavailableError, claim_job
from wherry_jobrunner.claim.heartbeat_orders import Heartbeat
from wherry_jobrunner.completion import HAND_BACK_PATIENCE_SECONDS, Outcome
from wherry_jobrunner.dependencies import Dependencies
from wherry_jobrunner.kubernetes_client import pauses
from wherry_jobrunner.supervision import cancel_all, supervised

log = logging.getLogger(__name__)

T = TypeVar("T")

POP_SECONDS: Final = 0.25
"""Longest wait for one pop. Leaving waits for it, because a pop that is cancelled may lose the job
that it returns until the operator notices that."""
QUEUED_TWICE_SECONDS: Final = 1.0
"""Pause before a job that the runner works on is put back: each time, the job is read."""
LEAVE_SECONDS: Final = 0.5
"""Seconds after the order to leave in which a pop or a claim in progress may still end."""
LAST_WORDS_SECONDS: Final = 0.2
"""Longest wait for Redis once the runner leaves: its records expire by themselves."""
REGISTRY_SECONDS: Final = 3.0
"""Longest wait for Redis when a job has ended."""


class Worker:
    """Works on jobs until it is asked to leave."""

    def __init__(self, dependencies: Dependencies) -> None:
        settings = dependencies.settings
        self._dependencies = dependencies
        self._pool, self._runner = settings.pool, settings.runner
        self._leaving = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._begun: set[str] = set()
        self._attempts: dict[str, Attempt] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._registry_lock = asyncio.Lock()
        self.gave_up = False
        """True: a result could not be recorded, and the operator must be made to notice."""
        self.left_idle = False
        """True: no claimed job was in progress when the runner left."""
        self.heartbeat = Heartbeat(
            dependencies.redis, self._pool, self._runner, self, self._registry_lock
        )

    @property
    def leaving(self) -> bool:
        """Whether no more jobs are taken."""
        return self._leaving.is_set()

    def jobs(self) -> list[str]:
        """Return the jobs (``namespace/name``) that the runner has begun."""
        return list(self._begun)

    def check(self, jobs: Iterable[str]) -> None:
        """Have the claims of ``jobs`` compared with the resources."""
        for job in jobs:
            if attempt := self._attempts.get(job):
                attempt.check()

    def leave(self, why: str) -> None:
        """Take no more jobs; :meth:`run` returns when the claimed ones have ended."""
        if not self.leaving:
            log.info("leaving: %s; %d jobs in progress", why, len(self._begun))
            self._leaving.set()

    def dismiss(self) -> None:
        """Stop all jobs without writing to them, and leave: the runner's pod is gone."""
        self.leave("the operator has dismissed this runner")
        self._cancel_claims()
        for attempt in self._attempts.values():
            attempt.stop(Stop.FENCED)

    async def run(self, stop_grace_seconds: float) -> None:
        """Take and serve jobs until asked to leave; then let the claimed ones end.

        Those that have not ended after the grace are handed back. Without a claimed job, it
        returns within a second of :meth:`leave`, whatever Redis and the API server do.
        """
        helpers = [
            asyncio.create_task(supervised("the heartbeat", self.heartbeat.run)),
            asyncio.create_task(supervised("watching the operator", self.heartbeat.watch_operator)),
        ]
        taking = asyncio.create_task(supervised("taking jobs", self._take_jobs))
        try:
            await self._leaving.wait()
            await asyncio.wait({taking, *self._claiming()}, timeout=LEAVE_SECONDS)
            await cancel_all([taking])
            self._cancel_claims()
            self.left_idle = not self._attempts
            await self._let_jobs_end(stop_grace_seconds)
        finally:
            await cancel_all([taking, *helpers])
        await self._sign_off()

    async def _take_jobs(self) -> None:
        wait = pauses()
        while await self._free_slot():
            begun = False
            try:
                waiting = await self._send(
                    lambda redis: job_queue.pop(redis, self._pool, POP_SECONDS)
                )
                wait = pauses()
                begun = waiting is not None and await self._begin(waiting)
            except RedisUnavailableError:
                await self._pause(next(wait))
            finally:
                if not begun:
                    self._slots.release()

    async def _free_slot(self) -> bool:
        """Take a free slot, waiting for it; False when the runner leaves first."""
        if self.leaving:
            return False
        slot = asyncio.ensure_future(self._slots.acquire())
        leaving = asyncio.ensure_future(self._leaving.wait())
        await asyncio.wait({slot, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        # Once the runner leaves, a pop is cut short, which can lose the job that it returns.
        if slot.done() and not self.leaving:
            return True
        slot.cancel()
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait ``seconds``, or until the runner leaves."""
        try:
            await asyncio.wait_for(self._leaving.wait(), seconds)
        except TimeoutError:
            return

    async def _begin(self, waiting: Waiting) -> bool:
        """Begin a popped job and serve it; False when it was not begun.

        Raises RedisUnavailableError.
        """
        job = waiting.job
        if self.leaving:
            await self._put_back(waiting)
            return False
        if job in self._begun:
            # Queued a second time: perhaps a new job under the name of a deleted one.
            self.check([job])
            await self._pause(QUEUED_TWICE_SECONDS)
            await self._put_back(waiting)
            return False
        async with self._registry_lock:
            if not await self._send(
                lambda redis: runner_registry.begin(redis, self._pool, self._runner, waiting)
            ):
                self.leave("the operator asks for it")
                return False
            self._begun.add(job)
        metrics.ACTIVE_JOBS.set(len(self._begun))
        self._serving[job] = asyncio.create_task(self._serve(waiting))
        return True

    async def _serve(self, waiting: Waiting) -> None:
        job = waiting.job
        try:
            await self._claim_and_work(waiting)
        except Exception:
            metrics.FAULTS.labels("serving a job").inc()
            log.exception("serving the job failed", extra={"job": job})
        finally:
            self._begun.discard(job)
            self._attempts.pop(job, None)
            self._serving.pop(job, None)
            metrics.ACTIVE_JOBS.set(len(self._begun))
        await self._finish(job)
        self._slots.release()

    async def _claim_and_work(self, waiting: Waiting) -> None:
        began = time.time_ns()
        try:
            job = await claim_job(self._dependencies.jobs, waiting.job, self._runner)
        except ApiServerUnavailableError as error:
            log.warning("the job returns to the queue: %s", error, extra={"job": waiting.job})
            await self._put_back(waiting)
            return
        except asyncio.CancelledError:
            # If the claim was taken nevertheless, the next runner that pops the job drops it.
            await self._put_back(waiting)
            raise
        if job is None:
            return
        attempt = Attempt(self._dependencies, job)
        self._attempts[waiting.job] = attempt
        with traced_attempt(job, self._runner.name, began) as ended:
            outcome = await attempt.run()
            ended(outcome)
        if outcome is Outcome.GAVE_UP:
            self.gave_up = True
            self.leave("a result could not be recorded")

    async def _put_back(self, waiting: Waiting) -> None:
        try:
            await self._send(lambda redis: job_queue.put_back(redis, self._pool, waiting))
        except RedisUnavailableError:
            # It is queued in the resource; the operator puts it into the queue again.
            log.warning("the job could not be returned to the queue", extra={"job": waiting.job})

    async def _finish(self, job: str) -> None:
        try:
            await self._send(
                lambda redis: runner_registry.finish(redis, self._pool, self._runner, job),
                REGISTRY_SECONDS,
            )
        except RedisUnavailableError:
            # The next heartbeat lists the jobs without this one.
            log.debug("Redis did not record that the job has ended", extra={"job": job})

    def _claiming(self) -> set[asyncio.Task[None]]:
        """Return the tasks that have not claimed their job yet."""
        return {task for job, task in self._serving.items() if job not in self._attempts}

    def _cancel_claims(self) -> None:
        for task in self._claiming():
            task.cancel()

    async def _let_jobs_end(self, grace_seconds: float) -> None:
        if self._serving:
            await asyncio.wait(set(self._serving.values()), timeout=grace_seconds)
        for job, attempt in self._attempts.items():
            log.info("handing the job back", extra={"job": job})
            attempt.stop(Stop.HAND_BACK)
        if self._serving:
            last = HAND_BACK_PATIENCE_SECONDS * 1.5
            await asyncio.wait(set(self._serving.values()), timeout=last)
        for job, task in list(self._serving.items()):
            log.warning("the job is abandoned", extra={"job": job})
            self.gave_up = True
            task.cancel()
        await asyncio.gather(*self._serving.values(), return_exceptions=True)

    async def _sign_off(self) -> None:
        """Remove the runner's records from Redis."""
        try:
            await self._send(lambda redis: runner_registry.delete(redis, self._pool, self._runner))
        except RedisUnavailableError:
            log.info("the runner's records stay in Redis until they expire")

    async def _send(
        self, command: Callable[[Redis], Awaitable[T]], within_seconds: float | None = None
    ) -> T:
        """Send a command to Redis; with little patience once the runner leaves."""
        if self.leaving:
            within_seconds = LAST_WORDS_SECONDS
        return await self._dependencies.redis.send(command, within_seconds=within_seconds)
