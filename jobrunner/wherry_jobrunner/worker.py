"""The work loop: takes jobs from the queue while there are free places."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from wherry_core.redis import job_queue, runner_registry
from wherry_core.redis.job_queue import Waiting
from wherry_jobrunner import metrics
from wherry_jobrunner.attempt import Attempt, Stop
from wherry_jobrunner.attempt_trace import traced_attempt
from wherry_jobrunner.claim.claim_loop import ApiServerAwayError, claim
from wherry_jobrunner.claim.heartbeat import Heartbeat
from wherry_jobrunner.completion import HAND_BACK_PATIENCE_SECONDS, Outcome
from wherry_jobrunner.dependencies import Tools
from wherry_jobrunner.kubernetes_client import pauses
from wherry_jobrunner.redis_link import RedisAwayError
from wherry_jobrunner.supervision import end_all, guarded

log = logging.getLogger(__name__)

POP_SECONDS: Final = 1.0
"""How long one look at the queue waits. Leaving waits for it, for a pop that is broken off may
lose the job that it brings until the operator misses it."""
REGISTRY_SECONDS: Final = 3.0
"""How long Redis is waited for when a job has ended."""


class Worker:
    """Works on jobs until it is told to leave."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._pool, self._name = tools.settings.pool, tools.settings.name
        self._leaving = asyncio.Event()
        self._places = asyncio.Semaphore(tools.settings.concurrency)
        self._begun: set[str] = set()
        self._attempts: dict[str, Attempt] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self.gave_up = False
        """True: an end could not be recorded, and the operator must be made to notice."""
        self.heartbeat = Heartbeat(
            tools.redis,
            tools.settings,
            jobs=lambda: tuple(self._begun),
            check=self._check,
            drain=lambda: self.leave("the operator asks for it"),
        )

    @property
    def leaving(self) -> bool:
        """Whether no more jobs are taken."""
        return self._leaving.is_set()

    def leave(self, why: str) -> None:
        """Take no more jobs; :meth:`run` returns when the claimed ones have ended."""
        if not self.leaving:
            log.info("leaving: %s; %d jobs are under way", why, len(self._begun))
            self._leaving.set()

    async def run(self, stop_grace_seconds: float) -> None:
        """Take and serve jobs until told to leave; then let the claimed ones end.

        Those that have not ended after the grace are handed back.
        """
        beating = asyncio.create_task(guarded("the heartbeat", self.heartbeat.run))
        try:
            await guarded("taking jobs", self._take_jobs)
            await self._let_them_end(stop_grace_seconds)
        finally:
            await end_all([beating])
        await self._sign_off()

    def _check(self, jobs: Iterable[str]) -> None:
        for job in jobs:
            if attempt := self._attempts.get(job):
                attempt.check()

    async def _take_jobs(self) -> None:
        wait = pauses()
        while await self._free_place():
            begun = False
            try:
                waiting = await self._tools.redis.ask(
                    job_queue.pop(self._tools.redis.redis, self._pool, POP_SECONDS)
                )
                wait = pauses()
                begun = waiting is not None and await self._begin(waiting)
            except RedisAwayError:
                await self._pause(next(wait))
            finally:
                if not begun:
                    self._places.release()

    async def _free_place(self) -> bool:
        """Take a free place, waiting for it; False when the runner is told to leave first."""
        if self.leaving:
            return False
        place = asyncio.ensure_future(self._places.acquire())
        leaving = asyncio.ensure_future(self._leaving.wait())
        await asyncio.wait({place, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if place.done():
            return True
        place.cancel()
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, or until told to leave."""
        try:
            await asyncio.wait_for(self._leaving.wait(), seconds)
        except TimeoutError:
            return

    async def _begin(self, waiting: Waiting) -> bool:
        """Begin a popped job and serve it; False when it was not begun. Raises RedisAwayError."""
        link, job = self._tools.redis, waiting.job
        if self.leaving:
            await link.ask(job_queue.put_back(link.redis, self._pool, waiting))
            return False
        if job in self._begun:
            # Queued a second time: a job made anew under the name of a deleted one, perhaps.
            self._check([job])
            await self._pause(POP_SECONDS)
            await link.ask(job_queue.put_back(link.redis, self._pool, waiting))
            return False
        async with self.heartbeat.lock:
            if not await link.ask(
                runner_registry.begin(link.redis, self._pool, self._name, waiting)
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
        self._places.release()

    async def _claim_and_work(self, waiting: Waiting) -> None:
        began = time.time_ns()
        try:
            job = await claim(self._tools.api, waiting.job, self._name)
        except ApiServerAwayError as error:
            log.warning("back to the queue: %s", error, extra={"job": waiting.job})
            await self._return(waiting)
            return
        if job is None:
            return
        attempt = Attempt(self._tools, job)
        self._attempts[waiting.job] = attempt
        with traced_attempt(job, self._name, began) as ended:
            outcome = await attempt.run()
            ended(outcome)
        if outcome is Outcome.GAVE_UP:
            self.gave_up = True
            self.leave("an end could not be recorded")

    async def _return(self, waiting: Waiting) -> None:
        link = self._tools.redis
        try:
            await link.ask(job_queue.put_back(link.redis, self._pool, waiting))
        except RedisAwayError:
            log.warning("not returned, the operator will miss it", extra={"job": waiting.job})

    async def _finish(self, job: str) -> None:
        link = self._tools.redis
        try:
            await link.ask(
                runner_registry.finish(link.redis, self._pool, self._name, job), REGISTRY_SECONDS
            )
        except RedisAwayError:
            # The next heartbeat lists the jobs anew.
            log.debug("Redis was not told of the end", extra={"job": job})

    async def _let_them_end(self, grace_seconds: float) -> None:
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
        """Take the runner's records from Redis: the next pod of this name is another runner."""
        link = self._tools.redis
        try:
            await link.ask(
                runner_registry.forget(link.redis, self._pool, self._name), REGISTRY_SECONDS
            )
        except RedisAwayError:
            log.info("the runner's records stay in Redis until they expire")
