"""The index in Redis as decisions write it; :mod:`index_repair` compares and repairs it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from wherry_core.job_snapshot import JobSnapshot, snapshot_of
from wherry_core.redis import job_queue, job_states, runner_registry
from wherry_core.redis.link import RedisLink
from wherry_core.redis.runner_registry import RunnerId, RunnerRecord
from wherry_operator.intake.job_view import JobView


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """What was put into the queue for a job."""

    pool: str
    priority: int
    attempt: int
    uid: str
    """The job's uid: a job created again under the same name has an entry of its own."""


class QueueIndex:
    """Puts jobs into the queue and takes them out; knows which entries it should have.

    While Redis is unavailable, nothing is sent; the repair catches up afterwards.
    """

    def __init__(self, link: RedisLink, *, state_ttl_seconds: int) -> None:
        self._link = link
        self._state_ttl = state_ttl_seconds
        self._entries: dict[str, QueueEntry] = {}
        self._by_pool: dict[str, set[str]] = {}

    @property
    def up(self) -> bool:
        """Whether Redis is available."""
        return self._link.up

    def entry_of(self, job: str) -> QueueEntry | None:
        """Return the queue entry of ``job`` (``namespace/name``), None when it has none."""
        return self._entries.get(job)

    def waiting(self, pool: str) -> frozenset[str]:
        """Return the jobs that should be in the queue of ``pool``."""
        return frozenset(self._by_pool.get(pool, ()))

    def depth(self, pool: str) -> int:
        """Return how many jobs should be in the queue of ``pool``."""
        return len(self._by_pool.get(pool, ()))

    def pools(self) -> Iterable[str]:
        """Return the pools whose queue should not be empty."""
        return tuple(self._by_pool)

    def drop_entry(self, job: str) -> bool:
        """Delete the entry of a job that was claimed or has ended; return whether it had one.

        Sends nothing: the runner that claimed the job took it out of the queue.
        """
        entry = self._entries.pop(job, None)
        if entry is None:
            return False
        members = self._by_pool[entry.pool]
        members.discard(job)
        if not members:
            del self._by_pool[entry.pool]
        return True

    async def put(self, view: JobView) -> None:
        """Have a waiting job in the queue, with its present priority."""
        entry = QueueEntry(view.pool, view.job.spec.priority, view.job.status.attempt, view.uid)
        known = self._entries.get(view.key)
        if known == entry:
            return
        self._entries[view.key] = entry
        self._by_pool.setdefault(entry.pool, set()).add(view.key)
        if known is not None and known.priority != entry.priority:
            await self._remove(view.key, known)
        await self._link.attempt(
            lambda redis: job_queue.enqueue(redis, entry.pool, view.key, entry.priority),
            name="enqueue",
        )

    async def put_again(self, job: str) -> bool:
        """Put a job back into the queue; return False when it should not be there.

        Raises RedisUnavailableError.
        """
        entry = self._entries.get(job)
        if entry is None:
            return False
        await self._link.send(
            lambda redis: job_queue.enqueue(redis, entry.pool, job, entry.priority), name="enqueue"
        )
        return True

    async def take_out(self, job: str, entry: QueueEntry) -> None:
        """Take a job out of the queue."""
        self.drop_entry(job)
        await self._remove(job, entry)

    async def _remove(self, job: str, entry: QueueEntry) -> None:
        await self._link.attempt(
            lambda redis: job_queue.remove(redis, entry.pool, [job]), name="remove"
        )

    async def publish(self, view: JobView) -> None:
        """Publish the snapshot of a job."""
        snapshot = snapshot_of(view.job)
        await self._link.attempt(
            lambda redis: job_states.publish(redis, snapshot, self._state_ttl), name="publish"
        )

    async def publish_again(self, view: JobView) -> None:
        """Publish the snapshot to a Redis that lost it. Raises RedisUnavailableError."""
        snapshot = snapshot_of(view.job)
        await self._link.send(
            lambda redis: job_states.publish(redis, snapshot, self._state_ttl), name="publish"
        )

    async def delete(self, namespace: str, name: str, uid: str, last: JobSnapshot | None) -> None:
        """Delete all records of a deleted job.

        Subscribers of a job that had not ended are notified with ``last``, its newest snapshot.
        """
        job = f"{namespace}/{name}"
        entry = self.entry_of(job)
        if entry is not None and entry.uid == uid:
            await self.take_out(job, entry)
        await self._link.attempt(
            lambda redis: job_states.delete(redis, namespace, name, uid, last), name="forget-job"
        )

    async def last_snapshot(self, namespace: str, name: str, uid: str) -> JobSnapshot | None:
        """Return the snapshot that Redis has of a job; None when it has none."""
        found = await self._link.attempt(lambda redis: job_states.read(redis, namespace, name))
        return found if found is not None and found.uid == uid else None

    async def stop(self, pool: str, runner: RunnerId, job: str) -> None:
        """Ask ``runner`` to stop working on ``job``.

        While Redis is unavailable, the runner notices at its next fenced write.
        """
        await self._link.attempt(
            lambda redis: runner_registry.stop(redis, pool, runner, job), name="stop"
        )

    async def dismiss(self, pool: str, runner: RunnerId) -> bool:
        """Refuse everything to a runner whose pod is gone; False while Redis is unavailable."""
        await self._link.attempt(
            lambda redis: runner_registry.dismiss(redis, pool, runner), name="forget-runner"
        )
        return self._link.up

    async def drain(self, pool: str, runner: RunnerId) -> bool:
        """Ask an idle runner to leave; False when it has begun a job, or without Redis."""
        asked = await self._link.attempt(
            lambda redis: runner_registry.drain(redis, pool, runner), name="drain"
        )
        return bool(asked)

    async def retire(self, pool: str, runner: RunnerId) -> bool:
        """Ask a runner to take no more jobs; False while Redis is unavailable."""
        await self._link.attempt(
            lambda redis: runner_registry.retire(redis, pool, runner), name="retire"
        )
        return self._link.up

    async def records(
        self, pool: str, runners: Collection[RunnerId]
    ) -> dict[RunnerId, RunnerRecord] | None:
        """Return what Redis knows of runners; None while it is unavailable."""
        return await self._link.attempt(
            lambda redis: runner_registry.runner_records(redis, pool, runners), name="records"
        )

    async def living(self, pool: str) -> frozenset[RunnerId]:
        """Return the runners that sent a heartbeat lately; none while Redis is unavailable."""
        found = await self._link.attempt(lambda redis: runner_registry.living(redis, pool))
        return found or frozenset()

    async def refresh_operator_mark(self, pools: Collection[str]) -> None:
        """Let the runners of ``pools`` see for some seconds that an operator acts."""
        await self._link.attempt(lambda redis: runner_registry.refresh_operator_mark(redis, pools))

    async def share_with_earlier_version(self, pool: str) -> None:
        """Let runners of version 0.1, which know no release, take jobs of this pool."""
        await self._link.attempt(lambda redis: job_queue.share_with_earlier_version(redis, pool))
