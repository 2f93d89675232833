"""What the operator knows of the cluster: small views that the watches keep up to date."""

from collections import ChainMap, OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from wherry_core.resources import Phase, RunnerPool
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import PodView

KEPT_DELETIONS: Final = 10_000
"""Uids of deleted objects that are kept, so that a late event does not bring them back."""


class Kind(StrEnum):
    """The kinds of objects that the cache holds."""

    JOB = "job"
    POOL = "pool"
    POD = "pod"


class Versioned(Protocol):
    """An object in the cluster."""

    @property
    def uid(self) -> str:
        """Unique in time and space."""

    @property
    def resource_version(self) -> str:
        """The version that this view was read from."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that the model refuses, such as one with a value from a newer CRD."""

    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool. Its whole resource is kept, because there are few pools."""

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


def _is_news(found: Versioned, known: Versioned) -> bool:
    """Return whether ``found`` is to replace ``known``, an object of the same key."""
    # A late event of an object that is gone must not replace its namesake either.
    version = found.resource_version
    same = version == known.resource_version and found.uid == known.uid
    return not same and not is_older(version, known.resource_version)


class ClusterCache:
    """Jobs by ``namespace/name``, pools and runner pods by name.

    An object that is older than the cached one is ignored, so that the answer to an own write is
    never undone by a late event. The uids of deleted objects are kept for a while for the same
    reason. An object that cannot be read has no view; only its version is known.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, JobView] = {}
        self.pools: dict[str, PoolView] = {}
        self.pods: dict[str, PodView] = {}
        self.ended: dict[Phase, int] = {}
        self._unreadable: dict[Kind, dict[str, Unreadable]] = {kind: {} for kind in Kind}
        self._by_pool: dict[str, PoolJobs] = {}
        self._deleted: OrderedDict[str, None] = OrderedDict()

    def put_job(self, view: JobView) -> tuple[bool, JobView | None]:
        """Store a job; return whether it was new or newer, and the view before."""
        return self._put(Kind.JOB, self.jobs, view.key, view, self._index)

    def put_pool(self, view: PoolView) -> tuple[bool, PoolView | None]:
        """Store a pool; return whether it was new or newer, and the view before."""
        return self._put(Kind.POOL, self.pools, view.pool.metadata.name, view, None)

    def put_pod(self, view: PodView) -> tuple[bool, PodView | None]:
        """Store a runner pod; return whether it was new or newer, and the view before."""
        return self._put(Kind.POD, self.pods, view.name, view, None)

    def drop_job(self, key: str, uid: str) -> JobView | None:
        """Delete the view of a deleted job, and return it."""
        dropped = self._drop(Kind.JOB, self.jobs, key, uid)
        if dropped is not None:
            self._index(dropped, None)
        return dropped

    def drop_pool(self, name: str, uid: str) -> PoolView | None:
        """Delete the view of a deleted pool, and return it."""
        return self._drop(Kind.POOL, self.pools, name, uid)

    def drop_pod(self, name: str, uid: str) -> PodView | None:
        """Delete the view of a deleted pod, and return it."""
        return self._drop(Kind.POD, self.pods, name, uid)

    def put_unreadable(self, kind: Kind, key: str, found: Unreadable) -> bool:
        """Record that an object cannot be read, and delete its view; False for an old version."""
        known = self.versions(kind).get(key)
        if found.uid in self._deleted or (known is not None and not _is_news(found, known)):
            return False
        self._unreadable[kind][key] = found
        before = self._views(kind).pop(key, None)
        if kind is Kind.JOB and isinstance(before, JobView):
            self._index(before, None)
        return True

    def is_unreadable(self, kind: Kind, key: str) -> bool:
        """Return whether the object exists but cannot be read."""
        return key in self._unreadable[kind]

    def unreadable(self, kind: Kind) -> Collection[str]:
        """Return the keys of the objects that exist but cannot be read."""
        return self._unreadable[kind].keys()

    def versions(self, kind: Kind) -> Mapping[str, Versioned]:
        """Return uid and version of all objects of a kind by key, unreadable ones included."""
        views: dict[str, Any] = self._views(kind)
        unreadable: dict[str, Any] = dict(self._unreadable[kind])
        return ChainMap(views, unreadable) if unreadable else views

    def _views(self, kind: Kind) -> dict[str, Any]:
        views: dict[Kind, dict[str, Any]] = {
            Kind.JOB: self.jobs,
            Kind.POOL: self.pools,
            Kind.POD: self.pods,
        }
        return views[kind]

    def allow(self, uid: str) -> None:
        """Take an object that was seen after its deletion was reported: it was not deleted."""
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
        kind: Kind,
        views: dict[str, View],
        key: str,
        view: View,
        index: Callable[[View | None, View | None], None] | None,
    ) -> tuple[bool, View | None]:
        before = views.get(key)
        known = before or self._unreadable[kind].get(key)
        if view.uid in self._deleted or (known is not None and not _is_news(view, known)):
            return False, before
        if index is not None:
            index(before, view)
        views[key] = view
        self._unreadable[kind].pop(key, None)
        return True, before

    def _drop(self, kind: Kind, views: dict[str, View], key: str, uid: str) -> View | None:
        self._deleted[uid] = None
        while len(self._deleted) > KEPT_DELETIONS:
            self._deleted.popitem(last=False)
        unreadable = self._unreadable[kind].get(key)
        if unreadable is not None and unreadable.uid == uid:
            del self._unreadable[kind][key]
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
