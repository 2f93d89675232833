"""The operator's observing half over servers in memory: cache, intake, queues, and Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.operator.fake_kubernetes import FakeKubernetes
from wherry_core.job_snapshot import JobSnapshot
from wherry_core.redis import job_queue, job_states, loss_marker
from wherry_core.redis.job_states import StateRef
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_operator.event_recorder import Event, EventRecorder, Regarding
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.unreadable import UnreadableObjects
from wherry_operator.jobs.completions import Completions
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.leadership import Leadership
from wherry_operator.reconciler import WorkQueue
from wherry_operator.repair.archive_store import ArchiveStore
from wherry_operator.repair.deleted_jobs import DeletedJobs
from wherry_operator.repair.queue_index import QueueIndex

NAMESPACE = "wherry"


@dataclass
class MemoryLink:
    """A link to a Redis in memory, which :func:`redis_in_memory` puts under core's functions."""

    up: bool = True
    available: bool = True
    redis: Any = None
    sent: list[str] = field(default_factory=list)
    """Names of the commands."""

    async def send(
        self, command: Callable[[Any], Awaitable[Any]], *, name: str | None = None
    ) -> Any:
        if not self.available:
            self.failed(OSError("no route"))
            raise RedisUnavailableError("no route")
        self.sent.append(name or "")
        return await command(self.redis)

    async def attempt(
        self, command: Callable[[Any], Awaitable[Any]], *, name: str | None = None
    ) -> Any:
        if not self.up:
            return None
        try:
            return await self.send(command, name=name)
        except RedisUnavailableError:
            return None

    def failed(self, error: Exception) -> None:
        self.up = False

    def recovered(self) -> None:
        self.up = True

    @property
    def link(self) -> RedisLink:
        """This link, as the code under test takes it."""
        return cast("RedisLink", self)


@dataclass
class MemoryRedis:
    """What core's functions would keep in Redis."""

    queues: dict[str, dict[str, int]] = field(default_factory=dict)
    """Priority by job, by pool."""
    states: dict[str, JobSnapshot] = field(default_factory=dict)
    """By ``namespace/name``."""
    deleted: dict[str, JobSnapshot | None] = field(default_factory=dict)
    """The last snapshot of deleted jobs, by uid."""
    tombstones: dict[str, str] = field(default_factory=dict)
    """The uid of a deleted job, by ``namespace/name``."""
    marker: str = ""


def redis_in_memory(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    """Replace core's commands of queue, states and marker by ones in memory."""
    memory = MemoryRedis()

    async def enqueue(_: Any, pool: str, job: str, priority: int) -> None:
        memory.queues.setdefault(pool, {}).setdefault(job, priority)

    async def remove(_: Any, pool: str, jobs: list[str]) -> None:
        for job in jobs:
            memory.queues.get(pool, {}).pop(job, None)

    async def members(_: Any, pool: str) -> set[str]:
        return set(memory.queues.get(pool, {}))

    async def length(_: Any, pool: str) -> int:
        return len(memory.queues.get(pool, {}))

    async def publish(_: Any, snapshot: JobSnapshot, ttl_seconds: int) -> bool:
        memory.states[f"{snapshot.namespace}/{snapshot.name}"] = snapshot
        return True

    async def read(_: Any, namespace: str, name: str) -> JobSnapshot | None:
        return memory.states.get(f"{namespace}/{name}")

    async def delete(
        _: Any, namespace: str, name: str, uid: str, last: JobSnapshot | None = None
    ) -> bool:
        memory.deleted[uid] = last
        return memory.states.pop(f"{namespace}/{name}", None) is not None

    async def scan(_: Any) -> AsyncIterator[list[StateRef]]:
        found = [StateRef(each.namespace, each.name, each.uid) for each in memory.states.values()]
        for job, uid in memory.tombstones.items():
            namespace, _, name = job.partition("/")
            found.append(StateRef(namespace, name, uid, deleted=True))
        yield found[:1]
        yield found[1:]

    async def change(_: Any, marker: str) -> set[str]:
        before, memory.marker = memory.marker, marker
        return {before}

    for module, replacement in (
        (job_queue, {"enqueue": enqueue, "remove": remove, "members": members, "length": length}),
        (job_states, {"publish": publish, "read": read, "delete": delete, "scan": scan}),
        (loss_marker, {"change": change}),
    ):
        for name, function in replacement.items():
            monkeypatch.setattr(module, name, function)
    return memory


@dataclass
class RecordedEvents:
    """Keeps Events instead of writing them."""

    recorded: list[tuple[str, str]] = field(default_factory=list)
    """Name of the object, and reason."""
    created: set[str] = field(default_factory=set)

    def record(self, regarding: Regarding, event: Event) -> None:
        self.recorded.append((regarding.name, event.reason))

    async def record_once(self, name: str, regarding: Regarding, event: Event) -> bool:
        if name in self.created:
            return False
        self.created.add(name)
        self.record(regarding, event)
        return True


@dataclass
class RecordedStore:
    """Keeps what is to be deleted from the store."""

    deleted: list[str] = field(default_factory=list)
    """Uids of jobs."""
    cleaned: list[str] = field(default_factory=list)
    error: Exception | None = None

    async def delete_job(self, namespace: str, uid: str) -> None:
        if self.error is not None:
            raise self.error
        self.deleted.append(uid)

    async def clean_up(self, view: Any) -> None:
        self.cleaned.append(view.uid)


class Observer:
    """The cache with everything that feeds it."""

    def __init__(self, link: MemoryLink | None = None) -> None:
        self.server = FakeKubernetes()
        self.link = link or MemoryLink()
        self.events = RecordedEvents()
        self.store = RecordedStore()
        self.cache = ClusterCache()
        self.jobs, self.pools = WorkQueue("job"), WorkQueue("pool")
        self.leadership = Leadership(None)
        self.leadership.synced.set()
        self.index = QueueIndex(self.link.link, state_ttl_seconds=60)
        client, store = self.server.client, cast("ArchiveStore", self.store)
        events = cast("EventRecorder", self.events)
        self.deleted_jobs = DeletedJobs(
            client, self.cache, self.link.link, self.index, store, self.leadership, tenants=None
        )
        self.unreadable = UnreadableObjects(
            client, events, self.leadership, NAMESPACE, WorkQueue("unreadable")
        )
        self.intake = ClusterIntake(
            self.cache,
            namespace=NAMESPACE,
            jobs=self.jobs,
            pools=self.pools,
            index=self.index,
            tenant_limit=TenantLimit(0, self.jobs),
            deleted_jobs=self.deleted_jobs,
            unreadable=self.unreadable,
        )
        self.completions = Completions(
            client, self.cache, self.index, store, events, self.leadership, jobs=self.jobs
        )


async def keys(queue: WorkQueue) -> list[str]:
    """Take all keys that wait in a queue."""
    found = []
    while not queue.idle:
        found.append(await queue.take())
        queue.done(found[-1])
    return found


def raw_job(name: str = "job", version: str = "7", **changes: Any) -> dict[str, Any]:
    """Return a DownloadJob as the API server sends it."""
    return {
        "kind": "DownloadJob",
        "metadata": {
            "name": name,
            "namespace": "tenant",
            "uid": f"uid-of-{name}",
            "resourceVersion": version,
            "generation": 1,
            "creationTimestamp": "2030-01-02T03:00:00Z",
        },
        "spec": {"fileIDs": ["1"]},
        **changes,
    }


def raw_pool(name: str = "default", version: str = "7", **spec: Any) -> dict[str, Any]:
    """Return a RunnerPool as the API server sends it."""
    return {
        "kind": "RunnerPool",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-of-{name}",
            "resourceVersion": version,
        },
        "spec": {"template": {"spec": {}}, **spec},
    }


def raw_pod(name: str = "default-runner-0", version: str = "7", **status: Any) -> dict[str, Any]:
    """Return a runner pod as the API server sends it."""
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-of-{name}",
            "resourceVersion": version,
            "labels": {"wherry.dev/pool": "default"},
        },
        "status": {"phase": "Running", **status},
    }
