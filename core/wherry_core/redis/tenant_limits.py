"""The request allowance of each tenant, counted in Redis for all processes."""

from dataclasses import dataclass
from typing import Final

from wherry_core.redis.client import Redis

DRAW_ALLOWANCE: Final = """
-- Draws requests from a tenant's allowance. KEYS: limit.
-- ARGV: quota, window in microseconds, number wanted.
-- Returns the number granted, the number left, and the microseconds until the next one.
-- The generic cell rate algorithm (ATM Forum, Traffic Management 4.0, section 4.4.2) stores only
-- the time at which the allowance is full. It is Redis' time, so that clocks need not agree.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[2])
local step = window / ARGV[1]
local whole = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
-- If the clock was set back or the window was shortened, nothing is refused for longer than it.
whole = math.min(whole, now + window)
-- The time is stored in whole microseconds; a hundredth of a request covers the rounding.
local left = math.floor((window - (whole - now)) / step + 0.01)
local granted = math.min(tonumber(ARGV[3]), left)
if granted > 0 then
  whole = whole + granted * step
  redis.call('SET', KEYS[1], string.format('%.0f', whole),
             'PX', math.max(math.ceil((whole - now) / 1000), 1))
end
left = left - granted
if left > 0 then return {granted, left, 0} end
return {granted, 0, math.ceil(math.max(step - (window - (whole - now)), 1))}
"""


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
        DRAW_ALLOWANCE,
        1,
        redis.keyspace.tenant_limit(tenant),
        str(quota),
        str(seconds * 1_000_000),
        str(wanted),
    )
    return Drawn(granted=int(granted), left=int(left), wait_seconds=int(wait) / 1_000_000)
