"""Making a Redis client from the settings."""

from typing import Any, Final, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialBackoff
from redis.maint_notifications import MaintNotificationsConfig

from wherry_core.redis.cluster import ClusterRedis
from wherry_core.redis.connections import use_safe_sends
from wherry_core.redis.keys import Keyspace
from wherry_core.redis.url import CLUSTER_SCHEME, SENTINEL_SCHEME, RedisUrl
from wherry_core.settings import RedisSettings


class SingleRedis(redis.Redis):
    """A client of one server, or of the master that Sentinels name, for one release."""

    keyspace: Keyspace = Keyspace()


Redis = SingleRedis | ClusterRedis
CONNECT_TIMEOUT_SECONDS: Final = 2.0
READ_TIMEOUT_SECONDS: Final = 10.0
POOL_TIMEOUT_SECONDS: Final = 10.0
"""Longest wait of a command for a free connection."""


def connect(settings: RedisSettings, *, max_connections: int = 10) -> Redis:
    """Return a client for the keys of one release; nothing is sent before its first command.

    ``redis+sentinel://[user:password@]host:port,host:port/<master name>?db=0`` asks Sentinels for
    the master; ``redis+cluster://[user:password@]host:port,host:port`` connects to a cluster, some
    of whose nodes are named. At most ``max_connections`` are open at once: a further command waits.
    A client of one server retries a command twice on a lost connection, which is safe because
    every command of Wherry may run twice.
    """
    common: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": READ_TIMEOUT_SECONDS,
        "health_check_interval": 15,
        "decode_responses": True,
        # Values that are not UTF-8 were not written by Wherry; the reader rejects them.
        "encoding_errors": "replace",
    }
    pool: dict[str, Any] = {
        "max_connections": max_connections,
        "timeout": POOL_TIMEOUT_SECONDS,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        # Open-source Redis has none, but the client would ask for them at every connection.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    keyspace = Keyspace(settings.release)
    address = settings.parsed_url
    if address is None:
        password = settings.password.get_secret_value() if settings.password else None
        single = redis.BlockingConnectionPool(
            host=settings.host,
            port=settings.port,
            db=settings.database,
            password=password,
            **pool,
            **common,
        )
        return _single(single, keyspace)
    if address.scheme == CLUSTER_SCHEME:
        return ClusterRedis(
            list(address.hosts),
            keyspace=keyspace,
            username=address.username,
            password=address.password,
            max_connections=max_connections,
            wait_seconds=POOL_TIMEOUT_SECONDS,
            **common,
        )
    if address.scheme == SENTINEL_SCHEME:
        return _sentinel_master(address, keyspace, max_connections, common)
    return _single(redis.BlockingConnectionPool.from_url(address.url, **pool, **common), keyspace)


def _single(pool: redis.ConnectionPool, keyspace: Keyspace) -> SingleRedis:
    made = cast("SingleRedis", SingleRedis.from_pool(use_safe_sends(pool)))
    made.keyspace = keyspace
    return made


def _sentinel_master(
    address: RedisUrl, keyspace: Keyspace, max_connections: int, common: dict[str, Any]
) -> SingleRedis:
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        list(address.hosts), sentinel_kwargs={"socket_timeout": CONNECT_TIMEOUT_SECONDS}
    )
    master: SingleRedis = sentinel.master_for(
        address.master,
        redis_class=SingleRedis,
        username=address.username,
        password=address.password,
        db=address.database,
        max_connections=max_connections,
        **common,
    )
    master.keyspace = keyspace
    use_safe_sends(master.connection_pool)
    # A new connection to the master first asks a Sentinel, so these sends must be safe, too.
    for each in sentinel.sentinels:
        use_safe_sends(each.connection_pool)
    return master
