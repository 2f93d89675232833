"""A Redis Cluster client that waits and fails as Wherry's other Redis clients do."""

import asyncio
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, ClusterPubSub, RedisCluster
from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as TooSlowError

from wherry_core.redis.connections import sound
from wherry_core.redis.keys import Keyspace

SPARE_CONNECTIONS: Final = 8
"""Beyond those of commands, for each node: subscriptions, and reading how the cluster looks."""


class SoundCluster(RedisCluster):
    """Mends three ways in which redis-py's cluster client surprises callers of its plain one.

    It raises an error at once when all connections are in use, where a pool waits. What it raises
    when it finds no node is no RedisError. It makes its connections without a pool, so that those
    of :mod:`connections` do not reach them by themselves.
    """

    def __init__(
        self,
        addresses: list[tuple[str, int]],
        *,
        keyspace: Keyspace,
        max_connections: int,
        wait_seconds: float,
        **options: Any,
    ) -> None:
        """``addresses`` are some nodes, which tell of the others.

        Of ``max_connections`` commands at once each further one waits up to ``wait_seconds``.
        """
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in addresses],
            max_connections=max_connections + SPARE_CONNECTIONS,
            **options,
        )
        self.keyspace = keyspace
        self._room = asyncio.Semaphore(max_connections)
        self._wait_seconds = wait_seconds
        kind = sound(self.connection_kwargs["connection_class"])
        # The client makes all later nodes from these.
        self.connection_kwargs["connection_class"] = kind
        for node in self.startup_nodes:
            node.connection_class = kind

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command. Raises RedisError."""
        await self.take_room()
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise ConnectionLostError(f"The cluster has no node for it: {error}") from error
        finally:
            self.leave_room()

    async def take_room(self) -> None:
        """Wait for one of the connections to be free. Raises ConnectionError of redis-py."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._room.acquire()
        except TimeoutError as error:
            raise ConnectionLostError("No connection became free in time.") from error

    def leave_room(self) -> None:
        """Give a connection back."""
        self._room.release()

    def look_again(self) -> None:
        """Have the next command ask first how the cluster looks."""
        self._initialize = True

    def pipeline(self, transaction: Any | None = None, shard_hint: Any | None = None) -> Any:
        """Return a pipeline whose commands may go to several nodes."""
        del shard_hint
        return SoundPipeline(self, transaction)  # type: ignore[abstract]

    def pubsub(self, *args: Any, **kwargs: Any) -> Any:
        """Return a subscription at the node of its first channel."""
        return SoundPubSub(self, *args, **kwargs)


class SoundPipeline(ClusterPipeline):
    """A pipeline that waits and fails as single commands do."""

    cluster_client: SoundCluster

    async def execute(
        self, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send all commands. Raises RedisError."""
        cluster = self.cluster_client
        await cluster.take_room()
        try:
            return await super().execute(raise_on_error, allow_redirections)
        except RedisClusterException as error:
            raise ConnectionLostError(f"The cluster has no node for it: {error}") from error
        finally:
            cluster.leave_room()


class SoundPubSub(ClusterPubSub):
    """A subscription that finds another node when its own one is gone.

    A message reaches every node of a cluster, whichever it was published at.
    """

    cluster: SoundCluster

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command, such as SUBSCRIBE. Raises RedisError."""
        try:
            await self.cluster.initialize()
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise ConnectionLostError(f"The cluster has no node for it: {error}") from error
        except (ConnectionLostError, TooSlowError, OSError):
            self.cluster.look_again()
            raise
