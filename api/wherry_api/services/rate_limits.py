"""Rate limits: one quota per tenant for all processes, counted in Redis."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED
from wherry_core.redis import tenant_limits
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.redis.tenant_limits import Drawn

POLICY: Final = "tenant"
MAX_ENTRIES: Final = 10_000
PATIENCE_SECONDS: Final = 0.25
"""A request waits for Redis no longer; then the process counts by itself."""
SHARE: Final = 50
"""A process draws this part of the quota ahead, so that few requests ask Redis."""

Draw = Callable[[str, int], Awaitable[Drawn]]
"""Takes up to so many requests off a tenant's allowance; raises RedisUnavailableError."""


def shared_allowance(link: RedisLink, requests: int, seconds: int) -> Draw:
    """Return how allowances are drawn from Redis."""

    def draw(tenant: str, wanted: int) -> Awaitable[Drawn]:
        return link.send(
            lambda redis: tenant_limits.draw(
                redis, tenant, quota=requests, seconds=seconds, wanted=wanted
            )
        )

    return draw


@dataclass
class Bucket:
    """What a tenant may still do by this process's own count, and when that was true."""

    tokens: float
    at: float


@dataclass
class Share:
    """What this process has drawn of a tenant's allowance."""

    ahead: int = 0
    """Requests that were granted and are not made yet."""
    left: int = 0
    """What was left for all processes when Redis was asked last."""
    asked_at: float = 0.0
    refused_until: float = float("-inf")
    waiting: int = 0
    """Requests that wait for Redis."""
    question: asyncio.Task[bool] | None = None
    question_at: float = 0.0
    bucket: Bucket | None = None
    """The count without Redis."""


class RateLimits:
    """Allowances by tenant; the headers are those of draft-ietf-httpapi-ratelimit-headers-09.

    A request costs no round trip of its own: a fiftieth of the quota is drawn at a time, so a
    quota below 100 is counted one by one, and of a larger one each process may hold a fiftieth
    that the others could have used. While Redis is away, or slow, each process counts by itself
    with a token bucket of the whole quota: then n processes let n times as much through.
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
        self._shares: OrderedDict[str, Share] = OrderedDict()

    async def spend(self, tenant: str) -> dict[str, str]:
        """Take one request off the tenant's allowance; return the headers that tell the rest.

        Raises ProblemError 429 with Retry-After when nothing is left.
        """
        if self._requests == 0:
            return {}
        share = self._share_of(tenant)
        while share.ahead == 0 and self._clock() >= share.refused_until:
            if not await self._answered(tenant, share):
                return self._spend_alone(share)
        if share.ahead == 0:
            raise self._refusal(share.refused_until - self._clock())
        share.ahead -= 1
        back = (self._clock() - share.asked_at) * self._rate
        # What this process holds and what came back may be more than the quota: one is spent.
        return self._told(min(share.ahead + share.left + back, self._requests - 1.0))

    @property
    def _rate(self) -> float:
        return self._requests / self._seconds

    def _share_of(self, tenant: str) -> Share:
        share = self._shares.setdefault(tenant, Share())
        self._shares.move_to_end(tenant)
        if len(self._shares) > MAX_ENTRIES:
            self._shares.popitem(last=False)
        return share

    async def _answered(self, tenant: str, share: Share) -> bool:
        """Wait for Redis, all requests of a tenant for one answer; False when none came."""
        now = self._clock()
        if share.question is None:
            share.question_at = now
            wanted = max(1, self._requests // SHARE, share.waiting + 1)
            share.question = asyncio.get_running_loop().create_task(
                self._ask(tenant, share, wanted)
            )
        question = share.question
        patience = share.question_at + PATIENCE_SECONDS - now
        share.waiting += 1
        try:
            await asyncio.wait({question}, timeout=max(patience, 0))
            if not question.done():
                # After a busy moment the answer may lie in the socket, unread.
                await asyncio.sleep(0)
        finally:
            share.waiting -= 1
        return question.done() and question.result()

    async def _ask(self, tenant: str, share: Share, wanted: int) -> bool:
        try:
            drawn = await self._draw(tenant, wanted)
        except RedisUnavailableError:
            return False
        finally:
            share.question = None
        now = self._clock()
        share.ahead += drawn.granted
        share.left, share.asked_at = drawn.left, now
        if drawn.granted == 0:
            share.refused_until = now + drawn.wait_seconds
        return True

    def _spend_alone(self, share: Share) -> dict[str, str]:
        """Take a request off this process's own count: a token bucket."""
        now = self._clock()
        full = float(self._requests)
        bucket = share.bucket = share.bucket or Bucket(full, now)
        bucket.tokens = min(bucket.tokens + (now - bucket.at) * self._rate, full)
        bucket.at = now
        if bucket.tokens < 1:
            raise self._refusal((1 - bucket.tokens) / self._rate)
        bucket.tokens -= 1
        return self._told(bucket.tokens)

    def _refusal(self, seconds: float) -> ProblemError:
        REFUSED.labels("requests").inc()
        wait = max(math.ceil(seconds), 1)
        return ProblemError(
            problems.RATE_LIMITED,
            f"The tenant may make {self._requests} such requests in {self._seconds} seconds. "
            f"Try again in {wait} seconds.",
            headers={**self._headers(0, wait), "Retry-After": str(wait)},
        )

    def _told(self, left: float) -> dict[str, str]:
        return self._headers(int(left), math.ceil((self._requests - left) / self._rate))

    def _headers(self, left: int, reset_seconds: int) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"{POLICY}";q={self._requests};w={self._seconds}',
            "RateLimit": f'"{POLICY}";r={left};t={reset_seconds}',
        }
