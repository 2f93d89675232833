"""A write to a closed connection raises redis-py's error under uvloop, as under asyncio.

uvloop itself raises RuntimeError. The pool checks a connection before it returns it, so the reset
must come right after that check, as in a failover under load.
"""

import asyncio
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as ConnectionLostError

from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings


async def write_after_a_close(environment: dict[str, str]) -> None:
    redis: Any = redis_client.connect(RedisSettings.model_validate(environment))
    connection = await redis.connection_pool.get_connection()
    try:
        connection._writer.transport.abort()
        await asyncio.sleep(0.05)
        await connection.send_command("PING", check_health=False)
    finally:
        await redis.aclose()


def test_writing_to_a_closed_connection_under_uvloop(redis_env: dict[str, str]) -> None:
    with pytest.raises(ConnectionLostError, match="closed"):
        uvloop.run(write_after_a_close(redis_env))
