"""The index in Redis as decisions write it; :mod:`index_repair` compares and repairs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from wherry_core.job_snapshot import deleted, snapshot_of
from wherry_core.redis import job_queue, job_states, runner_registry
from wherry_core.redis.client import Redis
from wherry_operator.intake.job_view import JobView
from wherry_operator.redis_link import RedisLink


@dataclass(frozen=True, slots=True)
class Place:
    """What was put into the queue for a job."""

    pool: str
    priority: int
    attempt: int
    uid: str
    """The job's: one made anew under its name has a place of its own."""


class QueueIndex:
    """Puts jobs into the queue and takes them out; knows what should be in it.

    While Redis does not answer, nothing is sent: everything is repaired once it is back.
    """

    def __init__(self, link: RedisLink, *, state_ttl_seconds: int) -> None:
        self._link = link
        self._state_ttl = state_ttl_seconds
        self._places: dict[str, Place] = {}
        self._by_pool: dict[str, set[str]] = {}
        self._unforgotten: dict[str, JobView] = {}
        """Jobs that were deleted while Redis was away, by uid."""

    @property
    def up(self) -> bool:
        """Whether Redis answers."""
        return self._link.up

    def place_of(self, job: str) -> Place | None:
        """Return what was put into the queue for ``job`` (``namespace/name``)."""
        return self._places.get(job)

    def waiting(self, pool: str) -> frozenset[str]:
        """Return the jobs that should be in the queue of ``pool``."""
        return frozenset(self._by_pool.get(pool, ()))

    def depth(self, pool: str) -> int:
        """Return how many jobs should be in the queue of ``pool``."""
        return len(self._by_pool.get(pool, ()))

    def pools(self) -> Iterable[str]:
        """Return the pools whose queue should not be empty."""
        return tuple(self._by_pool)

    def left_queue(self, job: str) -> bool:
        """Note that ``job`` no longer waits, because it was claimed or ended."""
        place = self._places.pop(job, None)
        if place is None:
            return False
        members = self._by_pool[place.pool]
        members.discard(job)
        if not members:
            del self._by_pool[place.pool]
        return True

    async def put(self, view: JobView) -> None:
        """Have a waiting job in the queue, with its present priority."""
        place = Place(view.pool, view.job.spec.priority, view.job.status.attempt, view.uid)
        known = self._places.get(view.key)
        if known == place:
            return
        self._places[view.key] = place
        self._by_pool.setdefault(place.pool, set()).add(view.key)
        if known is not None and known.priority != place.priority:
            await self._remove(view.key, known)
        await self._link.attempt(
            "enqueue",
            lambda redis: job_queue.enqueue(redis, place.pool, view.key, place.priority),
        )

    async def put_again(self, job: str) -> bool:
        """Put a job where it should be already; False when it should not. Raises RedisError."""
        place = self._places.get(job)
        if place is None:
            return False
        await self._link.send(
            "enqueue", lambda redis: job_queue.enqueue(redis, place.pool, job, place.priority)
        )
        return True

    async def take_out(self, job: str, place: Place) -> None:
        """Have a job out of the queue that it was put into."""
        self.left_queue(job)
        await self._remove(job, place)

    async def _remove(self, job: str, place: Place) -> None:
        await self._link.attempt("remove", lambda redis: job_queue.remove(redis, place.pool, [job]))

    async def publish(self, view: JobView) -> None:
        """Publish the snapshot that the resource tells."""
        snapshot = snapshot_of(view.job)
        await self._link.attempt(
            "publish", lambda redis: job_states.publish(redis, snapshot, self._state_ttl)
        )

    async def publish_again(self, view: JobView) -> None:
        """Publish the snapshot to a Redis that lost it. Raises RedisError."""
        snapshot = snapshot_of(view.job)
        await self._link.send(
            "publish", lambda redis: job_states.publish(redis, snapshot, self._state_ttl)
        )

    async def forget(self, view: JobView) -> None:
        """Remove all traces of a deleted job; who follows one that had not ended is told."""
        place = self.place_of(view.key)
        if place is not None and place.uid == view.uid:
            await self.take_out(view.key, place)
        if not view.job.ended:
            gone = deleted(snapshot_of(view.job))
            await self._link.attempt(
                "publish", lambda redis: job_states.publish(redis, gone, self._state_ttl)
            )
        if not await self._link.attempt("forget-job", partial(_forget_state, view=view)):
            self._unforgotten[view.uid] = view

    async def forget_late(self) -> None:
        """Remove the states of jobs that were deleted while Redis was away.

        Raises one of ``AWAY``.
        """
        for uid, view in list(self._unforgotten.items()):
            await self._link.send("forget-job", partial(_forget_state, view=view))
            del self._unforgotten[uid]

    async def stop(self, pool: str, runner: str, job: str) -> None:
        """Ask ``runner`` to stop working on ``job``; without Redis the fenced write tells it."""
        await self._link.attempt(
            "stop", lambda redis: runner_registry.stop(redis, pool, runner, job)
        )

    async def forget_runner(self, pool: str, runner: str) -> None:
        """Remove what Redis knows of an earlier runner of this name, such as its drain mark."""
        await self._link.attempt(
            "forget-runner", lambda redis: runner_registry.forget(redis, pool, runner)
        )

    async def drain(self, pool: str, runner: str) -> bool:
        """Ask an idle runner to leave; False when it has begun a job or Redis is away."""
        asked = await self._link.attempt(
            "drain", lambda redis: runner_registry.drain(redis, pool, runner)
        )
        return bool(asked)

    async def retire(self, pool: str, runner: str) -> bool:
        """Ask a busy runner to take no more jobs; False when Redis is away."""
        await self._link.attempt(
            "retire", lambda redis: runner_registry.retire(redis, pool, runner)
        )
        return self._link.up

    async def records(
        self, pool: str, runners: list[str]
    ) -> dict[str, runner_registry.RunnerRecord] | None:
        """Return what Redis knows of runners, or None when it does not answer."""
        return await self._link.attempt(
            "records", lambda redis: runner_registry.runner_records(redis, pool, runners)
        )


async def _forget_state(redis: Redis, view: JobView) -> bool:
    metadata = view.job.metadata
    await job_states.forget(redis, metadata.namespace, metadata.name, metadata.uid)
    return True
