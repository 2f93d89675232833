"""The hub: which clients watch which jobs, and how each receives the newest snapshot.

Own code and not sse-starlette: one of its streams holds several tasks, a queue and timers, where
a stream here holds none while it is idle. Measured by tests/bench/sse (docs/performance.md); it
also drains streams one by one, and disconnects stalled clients.
"""

import asyncio
import logging
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED, STREAMS
from wherry_api.services.snapshots import JobKey
from wherry_api.stream.events import event_of, name_of
from wherry_api.stream.heartbeats import Heartbeats
from wherry_api.stream.redis_subscription import RedisSubscription
from wherry_api.stream.subscriber import Subscriber
from wherry_core.job_snapshot import JobSnapshot, deleted
from wherry_core.redis import job_states, keys
from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)

CONFIRMATION_SECONDS: Final = 1.0
"""Seconds for which a new stream waits for its subscription; then the job is read once more."""
RETRY_MILLISECONDS: Final = (1_000, 4_000)
"""Range of the random time after which clients reconnect, so that they do not come at once."""


@dataclass(eq=False)
class Watch:
    """One watched job."""

    key: JobKey
    subscribers: set[Subscriber] = field(default_factory=set)
    waiting: int = 0
    """Number of streams that are being opened."""
    snapshot: JobSnapshot | None = None
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no update can be missed."""
    late: bool = False
    """True when the snapshot was read before the confirmation, so it must be read once more."""
    checked_at: float = float("-inf")
    """Loop time of the last read that was not an update."""
    changed_at: float = float("-inf")
    """Loop time at which ``snapshot`` was taken."""


class Hub:
    """All streams of a process."""

    def __init__(
        self,
        redis: Redis,
        *,
        public_url: str | None,
        max_streams: int,
        max_streams_per_tenant: int,
        heartbeat_seconds: float,
        send_timeout_seconds: float,
    ) -> None:
        self._redis = redis
        self.subscription = RedisSubscription(
            redis, self._on_update, self._on_confirmed, self._on_lost
        )
        self._public_url = public_url
        self._max_streams = max_streams
        self._max_per_tenant = max_streams_per_tenant
        self.heartbeats = Heartbeats(heartbeat_seconds, send_timeout_seconds)
        self._by_channel: dict[str, dict[JobKey, Watch]] = {}
        self.watches: OrderedDict[JobKey, Watch] = OrderedDict()
        """The watched jobs, least recently read first."""
        self.unread: deque[JobKey] = deque()
        """Jobs whose channel was confirmed (again), which must be read once more."""
        self.unread_added = asyncio.Event()
        self._by_tenant: Counter[str] = Counter()
        self.draining = False
        """True once the process is ending, when new streams end at once."""

    @property
    def streams(self) -> int:
        """Number of open streams."""
        return self._by_tenant.total()

    def reserve(self, tenant: str) -> None:
        """Count a stream; raises ProblemError 429 or 503 when there are too many."""
        if self._by_tenant[tenant] >= self._max_per_tenant:
            REFUSED.labels("streams").inc()
            raise ProblemError(
                problems.TOO_MANY_STREAMS,
                f"The tenant has {self._max_per_tenant} open streams, which is the limit. Close "
                "some, or poll the status.",
                headers={"Retry-After": "30"},
            )
        if self.streams >= self._max_streams:
            REFUSED.labels("streams").inc()
            raise problems.unavailable("The server has too many open streams. Poll the status.")
        self._by_tenant[tenant] += 1
        STREAMS.inc()

    def release(self, tenant: str) -> None:
        """Count a stream that has ended."""
        STREAMS.dec()
        self._by_tenant[tenant] -= 1
        if self._by_tenant[tenant] <= 0:
            del self._by_tenant[tenant]

    async def open(self, namespace: str, name: str) -> Watch:
        """Start to watch a job; a snapshot that is read after this misses no update."""
        key = (namespace, name)
        watch = self.watches.get(key)
        new = watch is None
        if watch is None:
            watch = self.watches[key] = Watch(key)
            self._by_channel.setdefault(keys.job_updates(name), {})[key] = watch
        watch.waiting += 1
        try:
            if new:
                await self.subscription.add(keys.job_updates(name))
            await self._wait_confirmed(watch)
        except BaseException:
            await self.close(watch)
            raise
        return watch

    async def _wait_confirmed(self, watch: Watch) -> None:
        """Wait a moment for the subscription of the job."""
        if watch.confirmed.is_set():
            return
        if self.subscription.connected:
            try:
                async with asyncio.timeout(CONFIRMATION_SECONDS):
                    await watch.confirmed.wait()
            except TimeoutError:
                job = "/".join(watch.key)
                log.debug("a subscription was not confirmed in time", extra={"job": job})
        watch.late = not watch.confirmed.is_set()

    async def close(self, watch: Watch) -> None:
        """Undo :meth:`open`."""
        watch.waiting -= 1
        await self._evict_if_unwatched(watch)

    def attach(self, watch: Watch, subscriber: Subscriber, shown: JobSnapshot) -> None:
        """Send a subscriber every snapshot that is newer than ``shown``, which it has received."""
        watch.subscribers.add(subscriber)
        self.heartbeats.add(subscriber)
        newest = watch.snapshot
        if newest is not None:
            self._offer(newest if newest.uid == shown.uid else deleted(shown), (subscriber,))

    def detach(self, watch: Watch, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        subscriber.closed = True
        watch.subscribers.discard(subscriber)
        self.heartbeats.remove(subscriber)

    def take(self, watch: Watch, snapshot: JobSnapshot) -> None:
        """Send a snapshot to the job's subscribers, if it is newer than the last one.

        A job that was recreated under its name is another job: subscribers of the old one receive
        that it was deleted, and late snapshots of the old one are ignored.
        """
        known = watch.snapshot
        if known is not None and known.uid != snapshot.uid:
            if snapshot.created_at < known.created_at:
                return
            self._offer(deleted(known), tuple(watch.subscribers))
        elif not snapshot.newer_than(known):
            return
        watch.snapshot = snapshot
        watch.changed_at = asyncio.get_running_loop().time()
        self._offer(snapshot, tuple(watch.subscribers))

    async def drain(self, seconds: float) -> None:
        """End all streams one by one within ``seconds``, in random order."""
        self.draining = True
        subscribers = [f for watch in self.watches.values() for f in watch.subscribers]
        random.shuffle(subscribers)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index, subscriber in enumerate(subscribers):
            due = began + seconds * index / len(subscribers)
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            subscriber.send_farewell(random.randint(*RETRY_MILLISECONDS))  # noqa: S311

    def _offer(self, snapshot: JobSnapshot, subscribers: Sequence[Subscriber]) -> None:
        if not subscribers:
            return
        event, name, order = event_of(snapshot, self._public_url), name_of(snapshot), snapshot.order
        for subscriber in subscribers:
            subscriber.offer(order, name, event)

    def _on_update(self, channel: str, text: str) -> None:
        watches = self._by_channel.get(channel)
        if not watches:
            return
        snapshot = job_states.received(self._redis, text)
        if snapshot is None:
            return
        # Jobs of one name in two namespaces share the channel.
        watch = watches.get((snapshot.namespace, snapshot.name))
        if watch is not None:
            self.take(watch, snapshot)

    def _on_confirmed(self, channels: Sequence[str]) -> None:
        for channel in channels:
            for key, watch in self._by_channel.get(channel, {}).items():
                if watch.subscribers or watch.late:
                    self.unread.append(key)
                    self.unread_added.set()
                watch.late = False
                watch.confirmed.set()

    def _on_lost(self) -> None:
        for watch in self.watches.values():
            watch.confirmed.clear()

    async def _evict_if_unwatched(self, watch: Watch) -> None:
        if watch.subscribers or watch.waiting > 0:
            return
        if self.watches.pop(watch.key, None) is None:
            return
        channel = keys.job_updates(watch.key[1])
        same_name = self._by_channel.get(channel, {})
        same_name.pop(watch.key, None)
        if not same_name:
            self._by_channel.pop(channel, None)
            await self.subscription.remove(channel)
