"""Connections to Redis whose sends can be cancelled and raise errors of redis-py."""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as ConnectionLostError


class SafeSends(AbstractConnection):
    """Works around two faults of redis-py's sends.

    redis-py sends with ``asyncio.wait_for``. Before Python 3.12 that swallows a cancellation which
    arrives in the iteration of the event loop in which the send completes (python/cpython#86296),
    so that a task with a loop would never end. The task's count of cancellations reveals it.

    Under uvloop, a write to a connection that the server has reset raises RuntimeError. asyncio
    raises OSError, after which redis-py retries.
    """

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command.

        Raises redis.exceptions.ConnectionError on a closed connection, and CancelledError for
        every cancellation that arrives meanwhile.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            if "closed" not in str(error):
                raise
            raise ConnectionLostError(f"The connection is closed: {error}") from error
        if task and task.cancelling() > before:
            # Nothing will read the answer.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


def with_safe_sends(kind: type[AbstractConnection]) -> Any:
    """Return a subclass of ``kind`` with safe sends."""
    return type(f"Safe{kind.__name__}", (SafeSends, kind), {})


def use_safe_sends(pool: ConnectionPool) -> ConnectionPool:
    """Make ``pool`` create connections with safe sends; return it."""
    pool.connection_class = with_safe_sends(pool.connection_class)
    return pool
