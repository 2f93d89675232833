"""Two Redis servers, one a replica of the other, behind one address that follows the primary.

This is what a Service in Kubernetes does at a failover. For Sentinels see
:mod:`tests.harness.redis_sentinels`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from tests.harness.tcp_proxy import Link, TcpProxy, tcp_proxy
from tests.harness.waiting import eventually

PASSWORD = "loopback-only"


async def command(server: RedisServer, *words: str) -> Any:
    """Send one command to exactly this server."""
    client = Redis(host=server.host, port=server.port, password=server.password)
    try:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def follow(replica: RedisServer, primary: RedisServer) -> None:
    """Make ``replica`` a replica of ``primary`` and wait until it holds the same."""
    # Without the pause in which more replicas could join the same transfer.
    await command(primary, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
    await command(replica, "CONFIG", "SET", "masterauth", primary.password)
    await command(replica, "REPLICAOF", primary.host, str(primary.port))

    async def linked() -> bool:
        found = await command(replica, "INFO", "replication")
        return bool(found["master_link_status"] == "up")

    await eventually("the replica to follow its primary", linked)


async def _restarted(server: RedisServer) -> RedisServer:
    return await asyncio.to_thread(start_redis, server.state, password=PASSWORD)


@dataclass
class RedisPair:
    """What tests break, and the address that clients know."""

    primary: RedisServer
    replica: RedisServer
    service: TcpProxy
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the fault that breaks it, so that there is one at a time."""

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a component uses it."""
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.service.port),
            "REDIS_PASSWORD": PASSWORD,
            "REDIS_DB": "0",
        }

    async def flush(self) -> None:
        """Delete everything."""
        async with self.lock:
            await command(self.primary, "FLUSHALL")

    async def restart_empty(self) -> None:
        """Crash, and restart at once without data."""
        async with self.lock:
            self.primary.kill()
            self.primary = await _restarted(self.primary)
            await follow(self.replica, self.primary)

    async def be_unavailable(self, seconds: float, how: Link) -> None:
        """Answer no client for this many seconds; keep the data."""
        async with self.lock:
            self.service.set(how)
            await asyncio.sleep(seconds)
            self.service.set(Link.WHOLE)

    async def fail_over(self, stale_seconds: float) -> None:
        """Lose the primary to a replica that lacks the last ``stale_seconds`` of writes."""
        async with self.lock:
            await command(self.replica, "REPLICAOF", "NO", "ONE")
            await asyncio.sleep(stale_seconds)
            self.primary.kill()
            self.primary, self.replica = self.replica, self.primary
            self.service.redirect(self.primary.host, self.primary.port)
            self.replica = await _restarted(self.replica)
            await follow(self.replica, self.primary)


@asynccontextmanager
async def redis_pair(folder: Path) -> AsyncIterator[RedisPair]:
    """Run a pair while the context is open."""
    servers = [
        await asyncio.to_thread(start_redis, folder / name, password=PASSWORD)
        for name in ("redis-a", "redis-b")
    ]
    pair: RedisPair | None = None
    try:
        await follow(servers[1], servers[0])
        async with tcp_proxy(servers[0].host, servers[0].port) as service:
            pair = RedisPair(servers[0], servers[1], service)
            yield pair
    finally:
        for server in (pair.primary, pair.replica) if pair else servers:
            server.stop()
