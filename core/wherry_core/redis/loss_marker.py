"""A value by which a Redis that has lost writes is noticed: changed every few seconds."""

from redis.asyncio.cluster import RedisCluster

from wherry_core.redis.client import Redis


async def change(redis: Redis, value: str) -> set[str | None]:
    """Write ``value`` and return what was there: only the last value, when nothing was lost.

    Each primary of a cluster has a marker of its own, for each loses writes by itself.
    """
    before = [await redis.set(key, value, get=True) for key in await _marker_keys(redis)]
    return {None if old is None else str(old) for old in before}


async def _marker_keys(redis: Redis) -> list[str]:
    if not isinstance(redis, RedisCluster):
        return [redis.keyspace.loss_marker()]
    await redis.ping()
    uncovered = {node.name for node in redis.get_primaries()}
    found = []
    number = 0
    while uncovered:
        key = redis.keyspace.loss_marker(number)
        node = redis.get_node_from_key(key)
        if node is not None and node.name in uncovered:
            uncovered.remove(node.name)
            found.append(key)
        number += 1
    return found
