"""How much a tenant may still do, counted in Redis for all processes together."""

from dataclasses import dataclass

from wherry_core.redis import scripts
from wherry_core.redis.client import Redis


@dataclass(frozen=True)
class Drawn:
    """What came of asking for some of a tenant's allowance."""

    granted: int
    """How many requests were granted: from 0 up to what was asked for."""
    left: int
    """How many are left for all processes."""
    wait_seconds: float
    """After how long the next one will be there; 0 when some are left."""


async def draw(redis: Redis, tenant: str, *, quota: int, seconds: int, wanted: int) -> Drawn:
    """Take up to ``wanted`` requests off the allowance of ``quota`` in ``seconds``.

    The allowance is saved up to the quota at most, and comes back evenly. Raises RedisError.
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
