"""A value that the operator changes every few seconds, to notice that Redis lost writes."""

from redis.asyncio.cluster import RedisCluster

from wherry_core.redis.client import Redis


async def change(redis: Redis, value: str) -> set[str | None]:
    """Write ``value``; return the values that it replaces, the last one alone if none was lost.

    Each primary of a cluster has its own marker, because each can lose writes by itself. Raises
    RedisError.
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
