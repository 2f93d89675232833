"""Connections that never swallow a cancel."""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool


class CancellableSends(AbstractConnection):
    """A connection whose commands notice a cancel that was swallowed while they were sent.

    redis-py sends with ``asyncio.wait_for``. Before Python 3.12 that swallows a cancel which comes
    in the very turn of the event loop in which the send is done (python/cpython#86296): a task
    that loops would then never end. The count of cancel requests tells.
    """

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command. Raises CancelledError for every cancel that comes meanwhile."""
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(command, check_health)
        if task and task.cancelling() > before:
            # The answer will not be read by anybody.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


def make_cancellable(pool: ConnectionPool) -> ConnectionPool:
    """Have ``pool`` make connections of its kind that never swallow a cancel; return it."""
    kind = pool.connection_class
    pool.connection_class = type(f"Cancellable{kind.__name__}", (CancellableSends, kind), {})
    return pool
