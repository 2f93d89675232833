"""Redis with real Sentinels: a primary, a replica that can become stale, and three Sentinels."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from localcluster import ports
from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from tests.harness.processes import base_environment, die_with_parent
from tests.harness.redis_pair import PASSWORD, command, follow
from tests.harness.waiting import eventually

MASTER: Final = "wherry"
REPLICATOR: Final = "replicator"
COUNT: Final = 3
DOWN_AFTER_MILLISECONDS: Final = 1_500


@dataclass
class Sentinels:
    """What tests break. The Sentinels decide who the primary is."""

    primary: RedisServer
    replica: RedisServer
    ports: list[int]

    @property
    def url(self) -> str:
        """WHERRY_REDIS_URL of it."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{MASTER}"

    async def make_stale(self) -> None:
        """Disconnect the replica from its primary, so that it misses every further write."""
        await command(self.primary, "ACL", "SETUSER", REPLICATOR, "off")
        await command(self.primary, "CLIENT", "KILL", "TYPE", "replica")

    async def primary_by_vote(self) -> int:
        """Return the port of the primary that the Sentinels name."""
        async with Redis(host="127.0.0.1", port=self.ports[0], decode_responses=True) as client:
            answer = await client.execute_command(  # type: ignore[no-untyped-call]
                "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER
            )
        return int(answer[1])

    async def fail_over(self) -> None:
        """Kill the primary and wait until the Sentinels have promoted the replica."""
        self.primary.kill()
        await eventually(
            "the Sentinels to promote the replica",
            self.primary_by_vote,
            lambda port: port == self.replica.port,
        )


def _configuration(port: int, primary: RedisServer, folder: Path) -> str:
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {port}",
            f"dir {folder}",
            f"sentinel monitor {MASTER} {primary.host} {primary.port} {COUNT // 2 + 1}",
            f"sentinel auth-pass {MASTER} {PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MILLISECONDS}",
            f"sentinel failover-timeout {MASTER} 10000",
            "",
        ]
    )


def _start(folder: Path, port: int, primary: RedisServer) -> subprocess.Popen[bytes]:
    folder.mkdir()
    config = folder / "sentinel.conf"
    config.write_text(_configuration(port, primary, folder))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["redis-server", str(config), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=base_environment(),
            preexec_fn=die_with_parent,
        )


async def _know_each_other(found: Sentinels) -> bool:
    """Whether the first Sentinel knows the others and the replica."""
    async with Redis(host="127.0.0.1", port=found.ports[0], decode_responses=True) as client:
        info = await client.info("sentinel")
    known = info.get("master0", {})
    return int(known.get("slaves", 0)) == 1 and int(known.get("sentinels", 0)) == COUNT


@asynccontextmanager
async def redis_with_sentinels(folder: Path) -> AsyncIterator[Sentinels]:
    """Run two servers and three Sentinels while the context is open."""
    primary, replica = [
        await asyncio.to_thread(start_redis, folder / name, password=PASSWORD)
        for name in ("primary", "replica")
    ]
    watchers: list[subprocess.Popen[bytes]] = []
    try:
        # A user of its own, so that the link to the replica can be cut and nothing else.
        await command(
            primary, "ACL", "SETUSER", REPLICATOR, "on", f">{PASSWORD}", "+psync", "+replconf",
            "+ping",
        )  # fmt: skip
        await command(replica, "CONFIG", "SET", "masteruser", REPLICATOR)
        await follow(replica, primary)
        found = Sentinels(primary, replica, ports.free_ports(COUNT))
        watchers += [_start(folder / f"sentinel-{port}", port, primary) for port in found.ports]
        await eventually("the Sentinels to answer", lambda: _answer(found))
        await eventually("the Sentinels to meet", lambda: _know_each_other(found))
        yield found
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.wait()
        for server in (primary, replica):
            server.stop()


async def _answer(found: Sentinels) -> bool:
    try:
        await found.primary_by_vote()
    except OSError:
        return False
    except Exception as error:  # noqa: BLE001 whatever it says, it does not answer yet
        return "onnect" not in str(error)
    return True
