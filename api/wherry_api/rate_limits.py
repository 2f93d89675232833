"""How many requests a tenant may make: a token bucket a tenant, in this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wherry_api import problems
from wherry_api.metrics import REFUSED
from wherry_api.problems import ProblemError

POLICY: Final = "tenant"
REMEMBERED: Final = 10_000


@dataclass
class Bucket:
    """What a tenant may still do, and when that was true."""

    tokens: float
    at: float


class RateLimits:
    """Token buckets; the headers are those of draft-ietf-httpapi-ratelimit-headers-09.

    The buckets live in the process: they work without Redis, and n processes let n times as
    much through. They are a guard against a client that runs wild, not an account.
    """

    def __init__(
        self, requests: int, seconds: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def spend(self, tenant: str) -> dict[str, str]:
        """Take one request off the tenant's allowance; return the headers that tell the rest.

        Raises ProblemError 429 with Retry-After when nothing is left.
        """
        if self._requests == 0:
            return {}
        now = self._clock()
        rate = self._requests / self._seconds
        bucket = self._buckets.get(tenant)
        if bucket is None:
            bucket = self._buckets[tenant] = Bucket(float(self._requests), now)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(tenant)
        bucket.tokens = min(bucket.tokens + (now - bucket.at) * rate, float(self._requests))
        bucket.at = now
        if bucket.tokens < 1:
            REFUSED.labels("requests").inc()
            wait = math.ceil((1 - bucket.tokens) / rate)
            raise ProblemError(
                problems.RATE_LIMITED,
                f"The tenant may make {self._requests} such requests in {self._seconds} seconds. "
                f"Try again in {wait} seconds.",
                headers={**self._headers(0, wait), "Retry-After": str(wait)},
            )
        bucket.tokens -= 1
        full = math.ceil((self._requests - bucket.tokens) / rate)
        return self._headers(int(bucket.tokens), full)

    def _headers(self, left: int, reset_seconds: int) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"{POLICY}";q={self._requests};w={self._seconds}',
            "RateLimit": f'"{POLICY}";r={left};t={reset_seconds}',
        }
