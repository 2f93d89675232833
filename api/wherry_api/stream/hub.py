"""The hub: which clients follow which jobs, and how each gets the newest snapshot."""

import asyncio
import logging
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED, STREAMS, STREAMS_DROPPED
from wherry_api.stream.events import event_of, name_of
from wherry_api.stream.redis_subscription import RedisSubscription
from wherry_api.stream.subscriber import Subscriber
from wherry_core.job_snapshot import JobSnapshot, deleted
from wherry_core.redis import job_states, keys
from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)

CONFIRMATION_SECONDS: Final = 1.0
"""A stream waits for its subscription for so long; then it starts and is filled in later."""
TICKS: Final = 30
"""The heartbeat's pause is cut into so many ticks, and each stream beats on one of them."""
RETRY_MILLISECONDS: Final = (1_000, 4_000)
"""Clients come back after a time drawn from this range, so that they do not come all at once."""

JobKey = tuple[str, str]


@dataclass(eq=False)
class Watch:
    """One followed job."""

    key: JobKey
    subscribers: set[Subscriber] = field(default_factory=set)
    waiting: int = 0
    """Streams that are being opened."""
    snapshot: JobSnapshot | None = None
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no update can be missed."""
    late: bool = False
    """True when a snapshot was read before the confirmation: it must be read once more."""
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
        self.subscription = RedisSubscription(redis, self._heard, self._confirmed, self._lost)
        self._public_url = public_url
        self._max_streams = max_streams
        self._max_per_tenant = max_streams_per_tenant
        self._heartbeat_seconds = heartbeat_seconds
        self._send_timeout = send_timeout_seconds
        self._by_channel: dict[str, dict[JobKey, Watch]] = {}
        self.watches: OrderedDict[JobKey, Watch] = OrderedDict()
        """The followed jobs; the one that was not read for the longest time comes first."""
        self.unread: deque[JobKey] = deque()
        """Jobs whose channel was confirmed (again): they must be read once more."""
        self.unread_added = asyncio.Event()
        self._by_tenant: Counter[str] = Counter()
        self._beats: list[set[Subscriber]] = [set() for _ in range(TICKS)]
        self._tick = 0
        self.draining = False
        """True once the process is about to end: new streams are sent away at once."""

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._by_tenant.total()

    def reserve(self, tenant: str) -> None:
        """Count a stream; raises ProblemError 429 or 503 when there are too many."""
        if self._by_tenant[tenant] >= self._max_per_tenant:
            REFUSED.labels("streams").inc()
            raise ProblemError(
                problems.TOO_MANY_STREAMS,
                f"The tenant has {self._max_per_tenant} open streams here, which is the limit: "
                "close some, or poll the status.",
                headers={"Retry-After": "30"},
            )
        if self.streams >= self._max_streams:
            REFUSED.labels("streams").inc()
            raise problems.unavailable("The server has too many open streams: poll the status.")
        self._by_tenant[tenant] += 1
        STREAMS.inc()

    def release(self, tenant: str) -> None:
        """Count a stream that has ended."""
        STREAMS.dec()
        self._by_tenant[tenant] -= 1
        if self._by_tenant[tenant] <= 0:
            del self._by_tenant[tenant]

    async def open(self, namespace: str, name: str) -> Watch:
        """Begin to hear of a job, so that a snapshot read after this misses nothing."""
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
            await self._confirmation(watch)
        except BaseException:
            await self.close(watch)
            raise
        return watch

    async def _confirmation(self, watch: Watch) -> None:
        """Wait for it for a moment."""
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
        """End what :meth:`open` began."""
        watch.waiting -= 1
        await self._evict_if_unwatched(watch)

    def attach(self, watch: Watch, subscriber: Subscriber, told: JobSnapshot) -> None:
        """Let a subscriber have every snapshot from now on that is newer than what it was told."""
        watch.subscribers.add(subscriber)
        # The tick that was just served: the first heartbeat comes a whole pause from now.
        subscriber.tick = (self._tick - 1) % TICKS
        self._beats[subscriber.tick].add(subscriber)
        newest = watch.snapshot
        if newest is not None:
            self._offer(newest if newest.uid == told.uid else deleted(told), (subscriber,))

    def detach(self, watch: Watch, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        subscriber.closed = True
        watch.subscribers.discard(subscriber)
        self._beats[subscriber.tick].discard(subscriber)

    def take(self, watch: Watch, snapshot: JobSnapshot) -> None:
        """Pass a snapshot on to the job's subscribers, if it is news.

        A job that was made anew under the old name is another job: subscribers of the old one hear
        that it is gone, and a late word of it is not passed on to subscribers of the new one.
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

    async def beat(self) -> None:
        """Serve one tick after another until cancelled: heartbeats, and frozen clients."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._heartbeat_seconds / TICKS)
            beats = self._beats[self._tick]
            self._tick = (self._tick + 1) % TICKS
            for subscriber in tuple(beats):
                subscriber.beat()
            self._drop_frozen(loop.time())

    async def drain(self, seconds: float) -> None:
        """End all streams in order, spread over ``seconds`` in a random order."""
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

    def _drop_frozen(self, now: float) -> None:
        for watch in tuple(self.watches.values()):
            for subscriber in tuple(watch.subscribers):
                since = subscriber.sending_since
                if since is not None and now - since > self._send_timeout:
                    STREAMS_DROPPED.inc()
                    log.info("a frozen client is dropped", extra={"job": "/".join(watch.key)})
                    subscriber.drop()

    def _offer(self, snapshot: JobSnapshot, subscribers: Sequence[Subscriber]) -> None:
        if not subscribers:
            return
        event, name, order = event_of(snapshot, self._public_url), name_of(snapshot), snapshot.order
        for subscriber in subscribers:
            subscriber.offer(order, name, event)

    def _heard(self, channel: str, text: str) -> None:
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

    def _confirmed(self, channels: Sequence[str]) -> None:
        for channel in channels:
            for key, watch in self._by_channel.get(channel, {}).items():
                if watch.subscribers or watch.late:
                    self.unread.append(key)
                    self.unread_added.set()
                watch.late = False
                watch.confirmed.set()

    def _lost(self) -> None:
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
