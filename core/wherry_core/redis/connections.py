"""Connections to Redis that fail as the rest of Wherry expects it."""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import ConnectionError as ConnectionLostError


class SoundSends(AbstractConnection):
    """Mends two ways in which redis-py's sending surprises its caller.

    It sends with ``asyncio.wait_for``. Before Python 3.12 that swallows a cancel which comes in
    the very turn of the event loop in which the send is done (python/cpython#86296): a task that
    loops would then never end. The count of cancel requests tells.

    A connection that the server has reset makes uvloop raise RuntimeError when something is
    written to it, where asyncio raises an OSError, which redis-py knows and tries again after.
    """

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command.

        Raises redis.exceptions.ConnectionError on a closed connection, and CancelledError for
        every cancel that comes meanwhile.
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
            # The answer will not be read by anybody.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


def sound(kind: type[AbstractConnection]) -> Any:
    """Return a kind of connection like ``kind`` whose sends are sound."""
    return type(f"Sound{kind.__name__}", (SoundSends, kind), {})


def make_sound(pool: ConnectionPool) -> ConnectionPool:
    """Have ``pool`` make connections of its kind whose sends are sound; return it."""
    pool.connection_class = sound(pool.connection_class)
    return pool
