"""A Redis Cluster client that waits and fails as the client of a single server does."""

import asyncio
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, ClusterPubSub, RedisCluster
from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as TooSlowError

from wherry_core.redis.connections import with_safe_sends
from wherry_core.redis.keys import Keyspace

SPARE_CONNECTIONS: Final = 8
"""Connections to each node for subscriptions and for reading the cluster's topology."""


class ClusterRedis(RedisCluster):
    """Removes three differences between redis-py's cluster client and its plain one.

    When all connections are in use, it raises an error at once, where a pool waits. When it finds
    no node, it raises an error that is not a RedisError. It creates connections without a pool,
    so those of :mod:`connections` must be given to it.
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
        """``addresses`` are those of some nodes, from which the client learns the others.

        A command beyond ``max_connections`` at once waits up to ``wait_seconds``.
        """
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in addresses],
            max_connections=max_connections + SPARE_CONNECTIONS,
            **options,
        )
        self.keyspace = keyspace
        self._permits = asyncio.Semaphore(max_connections)
        self._wait_seconds = wait_seconds
        kind = with_safe_sends(self.connection_kwargs["connection_class"])
        # The client passes these to all nodes that it finds later.
        self.connection_kwargs["connection_class"] = kind
        for node in self.startup_nodes:
            node.connection_class = kind

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command. Raises RedisError."""
        await self.acquire_permit()
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise ConnectionLostError(
                f"The cluster has no node for the command: {error}"
            ) from error
        finally:
            self.release_permit()

    async def acquire_permit(self) -> None:
        """Wait until a connection may be used. Raises ConnectionError of redis-py."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._permits.acquire()
        except TimeoutError as error:
            raise ConnectionLostError("No connection became free in time.") from error

    def release_permit(self) -> None:
        """Let the next command use a connection."""
        self._permits.release()

    def refresh_topology(self) -> None:
        """Make the next command read the cluster's topology first."""
        self._initialize = True

    def pipeline(self, transaction: Any | None = None, shard_hint: Any | None = None) -> Any:
        """Return a pipeline whose commands may go to several nodes."""
        del shard_hint
        return _Pipeline(self, transaction)  # type: ignore[abstract]

    def pubsub(self, *args: Any, **kwargs: Any) -> Any:
        """Return a subscription to the node of its first channel."""
        return _PubSub(self, *args, **kwargs)


class _Pipeline(ClusterPipeline):
    """A pipeline that waits and fails as a single command does."""

    cluster_client: ClusterRedis

    async def execute(
        self, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send all commands. Raises RedisError."""
        cluster = self.cluster_client
        await cluster.acquire_permit()
        try:
            return await super().execute(raise_on_error, allow_redirections)
        except RedisClusterException as error:
            raise ConnectionLostError(
                f"The cluster has no node for the command: {error}"
            ) from error
        finally:
            cluster.release_permit()


class _PubSub(ClusterPubSub):
    """A subscription that moves to another node when its own is lost.

    Every node of a cluster receives all messages, whichever node they were published to.
    """

    cluster: ClusterRedis

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command, such as SUBSCRIBE. Raises RedisError."""
        try:
            await self.cluster.initialize()
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise ConnectionLostError(
                f"The cluster has no node for the command: {error}"
            ) from error
        except (ConnectionLostError, TooSlowError, OSError):
            self.cluster.refresh_topology()
            raise
