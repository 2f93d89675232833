"""A client behind real Sentinels."""

from pathlib import Path
from typing import Any

from tests.harness.redis_sentinels import redis_with_sentinels
from tests.integration.core.test_cancelled_commands import swallowed_after
from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings


async def test_a_cancellation_is_never_swallowed_while_sentinels_are_asked(tmp_path: Path) -> None:
    """A new connection asks them for the primary first."""

    async def reconnect_and_ping(redis: Any) -> None:
        await redis.connection_pool.disconnect()
        await redis.ping()

    async with redis_with_sentinels(tmp_path / "servers") as servers:
        redis = redis_client.connect(
            RedisSettings.model_validate({"WHERRY_REDIS_URL": servers.url})
        )
        assert await swallowed_after(redis, reconnect_and_ping) == []
        await redis.aclose()
