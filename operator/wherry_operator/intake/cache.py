"""What the operator knows of the cluster: slim views, fed by the watches and repaired by sweeps."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from wherry_core.resources import Phase, RunnerPool
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import PodView

REMEMBERED_DELETIONS: Final = 10_000


class Versioned(Protocol):
    """An object in the cluster."""

    @property
    def uid(self) -> str:
        """Unique in time and space."""

    @property
    def resource_version(self) -> str:
        """The version that this view was read from."""


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool; kept whole, there are few of them."""

    pool: RunnerPool

    @property
    def uid(self) -> str:
        """The pool's uid."""
        return self.pool.metadata.uid

    @property
    def resource_version(self) -> str:
        """The version of the resource that this view was read from."""
        return self.pool.metadata.resource_version


@dataclass(slots=True)
class PoolJobs:
    """The jobs of one pool that have not ended."""

    queued: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    """Queued, but suspended or in the pause after a failed attempt."""
    claimed: dict[str, str] = field(default_factory=dict)
    """Runner by job."""
    by_runner: dict[str, set[str]] = field(default_factory=dict)


View = TypeVar("View", bound=Versioned)


def is_older(version: str, than: str) -> bool:
    """Return whether one resourceVersion is older than another of the same kind of resource.

    Comparing them as numbers is documented since KEP-5504 (Comparable Resource Version). Where
    they are no numbers, nothing counts as older: the next event brings the newest state anyway.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


class ClusterCache:
    """Jobs by ``namespace/name``, pools and runner pods by name.

    An object that is older than the one that is there is ignored, so that the answer to an own
    write is never undone by a late event. The same holds for what was deleted: its uid is
    remembered for a while.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, JobView] = {}
        self.pools: dict[str, PoolView] = {}
        self.pods: dict[str, PodView] = {}
        self.ended: dict[Phase, int] = {}
        self._by_pool: dict[str, PoolJobs] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()

    def put_job(self, view: JobView) -> tuple[bool, JobView | None]:
        """Take in a job; return whether it was news, and what was there before."""
        return self._put(self.jobs, view.key, view, self._index)

    def put_pool(self, view: PoolView) -> tuple[bool, PoolView | None]:
        """Take in a pool; return whether it was news, and what was there before."""
        return self._put(self.pools, view.pool.metadata.name, view, None)

    def put_pod(self, view: PodView) -> tuple[bool, PodView | None]:
        """Take in a runner pod; return whether it was news, and what was there before."""
        return self._put(self.pods, view.name, view, None)

    def drop_job(self, key: str, uid: str) -> JobView | None:
        """Forget a deleted job; return what was there."""
        dropped = self._drop(self.jobs, key, uid)
        if dropped is not None:
            self._index(dropped, None)
        return dropped

    def drop_pool(self, name: str, uid: str) -> PoolView | None:
        """Forget a deleted pool; return what was there."""
        return self._drop(self.pools, name, uid)

    def drop_pod(self, name: str, uid: str) -> PodView | None:
        """Forget a deleted pod; return what was there."""
        return self._drop(self.pods, name, uid)

    def recall(self, uid: str) -> None:
        """Take back that an object was deleted: it was seen afterwards."""
        self._deleted.pop(uid, None)

    def jobs_of(self, pool: str) -> PoolJobs:
        """Return the jobs of a pool that have not ended."""
        return self._by_pool.get(pool) or PoolJobs()

    def pods_of(self, pool: str) -> list[PodView]:
        """Return the runner pods of a pool, ended ones included."""
        return [pod for pod in self.pods.values() if pod.pool == pool]

    def pools_with_jobs(self) -> list[str]:
        """Return the names of all pools that jobs wait for or run in."""
        return [name for name, jobs in self._by_pool.items() if jobs.queued or jobs.claimed]

    def _put(
        self,
        views: dict[str, View],
        key: str,
        view: View,
        index: Callable[[View | None, View | None], None] | None,
    ) -> tuple[bool, View | None]:
        before = views.get(key)
        if view.uid in self._deleted:
            return False, before
        if before is not None:
            # A late event of an object that is gone must not take its namesake's place either.
            version, known = view.resource_version, before.resource_version
            if is_older(version, known) or (version == known and before.uid == view.uid):
                return False, before
        if index is not None:
            index(before, view)
        views[key] = view
        return True, before

    def _drop(self, views: dict[str, View], key: str, uid: str) -> View | None:
        self._deleted[uid] = None
        while len(self._deleted) > REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        known = views.get(key)
        return views.pop(key) if known is not None and known.uid == uid else None

    def _index(self, before: JobView | None, after: JobView | None) -> None:
        for view, change in ((before, -1), (after, 1)):
            phase = view.job.status.phase if view else None
            if view and view.job.ended and phase:
                self.ended[phase] = self.ended.get(phase, 0) + change
        if before is not None:
            self._unlist(before)
        if after is not None:
            self._list(after)

    def _unlist(self, view: JobView) -> None:
        jobs = self._by_pool.get(view.pool)
        if jobs is None:
            return
        jobs.queued.discard(view.key)
        jobs.parked.discard(view.key)
        runner = jobs.claimed.pop(view.key, None)
        if runner is not None:
            of_runner = jobs.by_runner[runner]
            of_runner.discard(view.key)
            if not of_runner:
                del jobs.by_runner[runner]
        if not jobs.queued and not jobs.claimed:
            del self._by_pool[view.pool]

    def _list(self, view: JobView) -> None:
        job = view.job
        if job.ended or job.metadata.deletion_timestamp is not None:
            return
        runner = view.claimed_by
        waits = runner is None and not job.spec.cancel
        if runner is None and not waits:
            return
        jobs = self._by_pool.setdefault(view.pool, PoolJobs())
        if runner is not None:
            jobs.claimed[view.key] = runner
            jobs.by_runner.setdefault(runner, set()).add(view.key)
            return
        jobs.queued.add(view.key)
        if job.spec.suspend or job.status.next_attempt_time is not None:
            jobs.parked.add(view.key)
