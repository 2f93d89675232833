"""The request allowance of each tenant, counted in Redis for all processes."""

from dataclasses import dataclass

from wherry_core.redis import scripts
from wherry_core.redis.client import Redis


@dataclass(frozen=True)
class Drawn:
    """The result of a draw on a tenant's allowance."""

    granted: int
    """Requests granted: from 0 to the number wanted."""
    left: int
    """Requests left for all processes."""
    wait_seconds: float
    """Seconds until the next request is available; 0 when some are left."""


async def draw(redis: Redis, tenant: str, *, quota: int, seconds: int, wanted: int) -> Drawn:
    """Draw up to ``wanted`` requests from the tenant's allowance of ``quota`` in ``seconds``.

    The allowance refills evenly and never exceeds the quota. Raises RedisError.
    """
    granted, left, wait = await redis.eval(
        scripts.DRAW_ALLOWANCE,
        1,
        redis.keyspace.tenant_limit(tenant),
        str(quota),
        str(seconds * 1_000_000),
        str(wanted),
    )
    return Drawn(granted=int(granted), left=int(left), wait_seconds=int(wait) / 1_000_000)
