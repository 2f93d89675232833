"""A real Redis Cluster: three primaries, and a replica of the one that holds a certain key."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from localcluster import ports
from tests.harness.processes import base_environment, die_with_parent
from tests.harness.redis_pair import PASSWORD
from tests.harness.waiting import eventually

PRIMARIES: Final = 3
SLOTS: Final = 16_384
NODE_TIMEOUT_MILLISECONDS: Final = 1_500
REPLICATOR: Final = "replicator"


@dataclass(frozen=True)
class Node:
    """One server."""

    port: int
    bus_port: int
    process: subprocess.Popen[bytes]

    async def command(self, *words: Any) -> Any:
        """Send one command to exactly this server."""
        async with Redis(
            host="127.0.0.1", port=self.port, password=PASSWORD, decode_responses=True
        ) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def answers(self) -> bool:
        """Whether it serves clients."""
        try:
            return bool(await self.command("PING"))
        except (RedisError, OSError):
            return False

    async def sees(self, nodes: int) -> bool:
        """Whether it knows ``nodes`` nodes and reports the cluster as complete."""
        info = (await self.command("CLUSTER", "INFO")).split()
        return {"cluster_state:ok", f"cluster_known_nodes:{nodes}"} <= set(info)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()


@dataclass
class ServerCluster:
    """What tests break. The nodes decide who is a primary."""

    primaries: list[Node]
    replica: Node
    victim: Node
    """The primary that has a replica."""

    @property
    def url(self) -> str:
        """WHERRY_REDIS_URL of it."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.primaries)
        return f"redis+cluster://:{PASSWORD}@{hosts}"

    async def make_stale(self) -> None:
        """Disconnect the replica from its primary, so that it misses every further write."""
        await self.victim.command("ACL", "SETUSER", REPLICATOR, "off")
        await self.victim.command("CLIENT", "KILL", "TYPE", "replica")

    async def fail_over(self) -> None:
        """Kill the primary and wait until its replica has taken its place."""
        self.victim.kill()

        async def promoted() -> bool:
            role, *_ = await self.replica.command("ROLE")
            info = (await self.replica.command("CLUSTER", "INFO")).split()
            return role == "master" and "cluster_state:ok" in info

        await eventually("the replica to be promoted", promoted)


def _start(folder: Path, port: int, bus_port: int) -> Node:
    folder.mkdir(parents=True)
    config = folder / "redis.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"cluster-port {bus_port}",
        f"dir {folder}",
        "cluster-enabled yes",
        f"cluster-node-timeout {NODE_TIMEOUT_MILLISECONDS}",
        # Allow promotion of a replica that has lost its primary long ago.
        "cluster-replica-validity-factor 0",
        f"requirepass {PASSWORD}",
        f"masterauth {PASSWORD}",
        f"masteruser {REPLICATOR}",
        # A user of its own, so that the link to the replica can be cut and nothing else.
        f"user {REPLICATOR} on >{PASSWORD} +psync +replconf +ping",
        "repl-diskless-sync-delay 0",
        'save ""',
        "appendonly no",
    ]
    config.write_text("\n".join([*lines, ""]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["redis-server", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=base_environment(),
            preexec_fn=die_with_parent,
        )
    return Node(port, bus_port, process)


async def _join(nodes: list[Node], replicated: int) -> None:
    """Share the slots among the primaries, and make the last node a replica of one of them."""
    *primaries, replica = nodes
    for number, node in enumerate(nodes, 1):
        await node.command("CLUSTER", "SET-CONFIG-EPOCH", number)
    for number, node in enumerate(primaries):
        first, after = (SLOTS * each // PRIMARIES for each in (number, number + 1))
        await node.command("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
    for node in nodes[1:]:
        await node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
    for node in primaries:
        await eventually("the nodes to meet", lambda node=node: node.sees(len(nodes)))  # type: ignore[misc]
    owner = await primaries[replicated].command("CLUSTER", "MYID")

    async def known() -> bool:
        return owner in await replica.command("CLUSTER", "NODES")

    await eventually("the replica to know its primary", known)
    await replica.command("CLUSTER", "REPLICATE", owner)

    async def linked() -> bool:
        return bool((await replica.command("INFO", "replication"))["master_link_status"] == "up")

    await eventually("the replica to follow its primary", linked)

    async def known_to_the_others() -> bool:
        seen = await primaries[replicated - 1].command("CLUSTER", "NODES")
        return any(f" {owner} " in line and "slave" in line for line in str(seen).splitlines())

    await eventually("the other nodes to know the replica", known_to_the_others)


@asynccontextmanager
async def redis_cluster(folder: Path, key: str) -> AsyncIterator[ServerCluster]:
    """Run four nodes while the context is open; the primary of ``key`` has the replica."""
    numbers = ports.free_ports((PRIMARIES + 1) * 2)
    nodes: list[Node] = []
    try:
        for each in range(PRIMARIES + 1):
            port, bus_port = numbers[each * 2 : each * 2 + 2]
            nodes.append(await asyncio.to_thread(_start, folder / f"node-{each}", port, bus_port))
        for node in nodes:
            await eventually("a node to answer", node.answers)
        replicated = next(
            number
            for number in range(PRIMARIES)
            if key_slot(key.encode()) < SLOTS * (number + 1) // PRIMARIES
        )
        await _join(nodes, replicated)
        yield ServerCluster(nodes[:-1], nodes[-1], nodes[replicated])
    finally:
        for node in nodes:
            node.kill()
