"""Making a Redis client from the settings."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis.asyncio as redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialBackoff
from redis.maint_notifications import MaintNotificationsConfig

from wherry_core.redis.cluster import SoundCluster
from wherry_core.redis.connections import make_sound
from wherry_core.settings import RedisSettings

Redis = redis.Redis | RedisCluster
REDIS_PORT = 6379
SENTINEL_PORT = 26379
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 10.0
POOL_TIMEOUT_SECONDS = 10.0
"""How long a command waits for one of the connections to be free."""


def connect(settings: RedisSettings, *, max_connections: int = 10) -> Redis:
    """Return a client; nothing is sent before its first command.

    ``redis+sentinel://[:password@]host:port,host:port/<master name>?db=0`` asks Sentinels for the
    master; ``redis+cluster://[user:password@]host:port,host:port`` speaks to a cluster, of which
    some nodes are named. At most ``max_connections`` are open at once: a command beyond them
    waits. A plain client retries one twice at a lost connection: every command of Wherry's may
    safely run twice.

    Raises ValueError for a URL with another scheme.
    """
    common: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": READ_TIMEOUT_SECONDS,
        "health_check_interval": 15,
        "decode_responses": True,
        # Bytes that are no text are nothing of ours: whoever reads them finds out.
        "encoding_errors": "replace",
    }
    pool: dict[str, Any] = {
        "max_connections": max_connections,
        "timeout": POOL_TIMEOUT_SECONDS,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        # The client would ask for them at every connection, and open-source Redis has none.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if settings.url is None:
        password = settings.password.get_secret_value() if settings.password else None
        return redis.Redis.from_pool(
            make_sound(
                redis.BlockingConnectionPool(
                    host=settings.host,
                    port=settings.port,
                    db=settings.database,
                    password=password,
                    **pool,
                    **common,
                )
            )
        )
    url = settings.url.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss", "unix"}:
        return redis.Redis.from_pool(
            make_sound(redis.BlockingConnectionPool.from_url(url, **pool, **common))
        )
    if parts.scheme == "redis+cluster":
        return _cluster(url, max_connections, common)
    if parts.scheme == "redis+sentinel":
        return _sentinel_master(url, max_connections, common)
    raise ValueError(
        "WHERRY_REDIS_URL must start with redis://, rediss://, redis+sentinel:// or "
        f"redis+cluster://, not {parts.scheme}://"
    )


def _cluster(url: str, max_connections: int, common: dict[str, Any]) -> RedisCluster:
    credentials, _, hosts = urlsplit(url).netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    return SoundCluster(
        [_host_and_port(item, REDIS_PORT) for item in hosts.split(",")],
        username=unquote(user) or None,
        password=unquote(password) or None,
        max_connections=max_connections,
        wait_seconds=POOL_TIMEOUT_SECONDS,
        **common,
    )


def _sentinel_master(url: str, max_connections: int, common: dict[str, Any]) -> redis.Redis:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    password = unquote(credentials.partition(":")[2]) or None
    addresses = [_host_and_port(item, SENTINEL_PORT) for item in hosts.split(",")]
    database = int(parse_qs(parts.query).get("db", ["0"])[0])
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        addresses, sentinel_kwargs={"socket_timeout": CONNECT_TIMEOUT_SECONDS}
    )
    master: redis.Redis = sentinel.master_for(
        parts.path.strip("/") or "mymaster",
        password=password,
        db=database,
        max_connections=max_connections,
        **common,
    )
    make_sound(master.connection_pool)
    # A command that needs a new connection waits for these, too.
    for each in sentinel.sentinels:
        make_sound(each.connection_pool)
    return master


def _host_and_port(address: str, port: int) -> tuple[str, int]:
    """Return host and port of ``address``; ``port`` where it names none."""
    parts = urlsplit(f"//{address}")
    return parts.hostname or "localhost", parts.port or port
