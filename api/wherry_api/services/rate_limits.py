"""Rate limits: one quota per tenant for all processes, counted in Redis.

Own code and not the library ``limits``: with headers, it costs two round trips and 320 us of CPU
time per request, where drawing ahead costs 11 us; and it has neither the link's pause during an
outage of Redis nor its Sentinel and Cluster clients.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED
from wherry_core.redis import tenant_limits
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.redis.tenant_limits import Drawn

POLICY: Final = "tenant"
MAX_ENTRIES: Final = 10_000
PATIENCE_SECONDS: Final = 0.25
"""Seconds that a request waits for Redis; then the process counts by itself."""
SHARE: Final = 50
"""A process draws this part of the quota ahead, so that few requests wait for Redis."""

Draw = Callable[[str, int], Awaitable[Drawn]]
"""Takes up to so many requests from a tenant's quota; raises RedisUnavailableError."""


def shared_quota(link: RedisLink, requests: int, seconds: int) -> Draw:
    """Return the function that draws from the quotas in Redis."""

    def draw(tenant: str, wanted: int) -> Awaitable[Drawn]:
        return link.send(
            lambda redis: tenant_limits.draw(
                redis, tenant, quota=requests, seconds=seconds, wanted=wanted
            )
        )

    return draw


@dataclass
class Bucket:
    """A token bucket: the requests left of a tenant, and the time of that count."""

    tokens: float
    at: float


@dataclass
class Share:
    """The part of a tenant's quota that this process has drawn."""

    ahead: int = 0
    """Requests that were drawn and not spent yet."""
    left: int = 0
    """Requests left for all processes at the last draw."""
    drawn_at: float = 0.0
    refused_until: float = float("-inf")
    waiting: int = 0
    """Requests that wait for the draw in progress."""
    draw: asyncio.Task[bool] | None = None
    draw_began_at: float = 0.0
    bucket: Bucket | None = None
    """The count while Redis is unavailable."""


class RateLimits:
    """Rate limits by tenant; the headers are those of draft-ietf-httpapi-ratelimit-headers-09.

    A fiftieth of the quota is drawn at a time, so that most requests cost no round trip. A quota
    below 100 is drawn one by one; of a larger one, each process may hold a fiftieth that others
    could have used. While Redis is unavailable or slow, each process counts with a token bucket of
    the whole quota, and n processes together admit n times the quota.
    """

    def __init__(
        self,
        requests: int,
        seconds: int,
        draw: Draw,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._draw = draw
        self._clock = clock
        self._shares: LRUCache[str, Share] = LRUCache(MAX_ENTRIES)

    async def spend(self, tenant: str) -> dict[str, str]:
        """Take one request from the tenant's quota and return the rate limit headers.

        Raises ProblemError 429 with Retry-After when nothing is left.
        """
        if self._requests == 0:
            return {}
        share = self._share_of(tenant)
        while share.ahead == 0 and self._clock() >= share.refused_until:
            if not await self._drawn_in_time(tenant, share):
                return self._spend_alone(share)
        if share.ahead == 0:
            raise self._refusal(share.refused_until - self._clock())
        share.ahead -= 1
        back = (self._clock() - share.drawn_at) * self._rate
        # What is held and what was refilled may exceed the quota, of which one is spent.
        return self._headers_for(min(share.ahead + share.left + back, self._requests - 1.0))

    @property
    def _rate(self) -> float:
        return self._requests / self._seconds

    def _share_of(self, tenant: str) -> Share:
        share = self._shares.get(tenant)
        if share is None:
            share = self._shares[tenant] = Share()
        return share

    async def _drawn_in_time(self, tenant: str, share: Share) -> bool:
        """Wait for a draw that all requests of the tenant share; False when Redis is slow."""
        now = self._clock()
        if share.draw is None:
            share.draw_began_at = now
            wanted = max(1, self._requests // SHARE, share.waiting + 1)
            share.draw = asyncio.get_running_loop().create_task(
                self._draw_more(tenant, share, wanted)
            )
        draw = share.draw
        patience = share.draw_began_at + PATIENCE_SECONDS - now
        share.waiting += 1
        try:
            await asyncio.wait({draw}, timeout=max(patience, 0))
            if not draw.done():
                # After a busy moment the answer may be in the socket, unread.
                await asyncio.sleep(0)
        finally:
            share.waiting -= 1
        return draw.done() and draw.result()

    async def _draw_more(self, tenant: str, share: Share, wanted: int) -> bool:
        try:
            drawn = await self._draw(tenant, wanted)
        except RedisUnavailableError:
            return False
        finally:
            share.draw = None
        now = self._clock()
        share.ahead += drawn.granted
        share.left, share.drawn_at = drawn.left, now
        if drawn.granted == 0:
            share.refused_until = now + drawn.wait_seconds
        return True

    def _spend_alone(self, share: Share) -> dict[str, str]:
        """Take a request from this process's own token bucket."""
        now = self._clock()
        full = float(self._requests)
        bucket = share.bucket = share.bucket or Bucket(full, now)
        bucket.tokens = min(bucket.tokens + (now - bucket.at) * self._rate, full)
        bucket.at = now
        if bucket.tokens < 1:
            raise self._refusal((1 - bucket.tokens) / self._rate)
        bucket.tokens -= 1
        return self._headers_for(bucket.tokens)

    def _refusal(self, seconds: float) -> ProblemError:
        REFUSED.labels("requests").inc()
        wait = max(math.ceil(seconds), 1)
        return ProblemError(
            problems.RATE_LIMITED,
            f"The tenant has used its {self._requests} requests per {self._seconds} seconds. Retry "
            f"in {wait} seconds.",
            headers={**self._headers(0, wait), "Retry-After": str(wait)},
        )

    def _headers_for(self, left: float) -> dict[str, str]:
        return self._headers(int(left), math.ceil((self._requests - left) / self._rate))

    def _headers(self, left: int, reset_seconds: int) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"{POLICY}";q={self._requests};w={self._seconds}',
            "RateLimit": f'"{POLICY}";r={left};t={reset_seconds}',
        }
