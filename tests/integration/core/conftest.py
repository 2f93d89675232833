"""Clients of two releases in one database, and a Redis Cluster of real servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.redis_cluster import ServerCluster, redis_cluster
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.redis.keys import Keyspace
from wherry_core.settings import RedisSettings


@pytest.fixture
async def named(redis: Redis, redis_env: dict[str, str]) -> AsyncIterator[Redis]:
    """A client of the release ``wherry/main`` in the database of ``redis``."""
    del redis  # Empties the database.
    settings = RedisSettings.model_validate(redis_env | {"WHERRY_RELEASE": "wherry/main"})
    client = redis_client.connect(settings)
    yield client
    await client.aclose()


@pytest.fixture
async def other(named: Redis, redis_env: dict[str, str]) -> AsyncIterator[Redis]:
    """A client of the release ``wherry/other`` in the same database."""
    del named
    settings = RedisSettings.model_validate(redis_env | {"WHERRY_RELEASE": "wherry/other"})
    client = redis_client.connect(settings)
    yield client
    await client.aclose()


@pytest.fixture
async def server_cluster(tmp_path: Path) -> AsyncIterator[ServerCluster]:
    """A cluster of this test's own; the primary of the default pool's queue has a replica."""
    async with redis_cluster(tmp_path / "nodes", Keyspace().queue("default")) as running:
        yield running


@pytest.fixture
async def clustered(server_cluster: ServerCluster) -> AsyncIterator[Redis]:
    """A client of it, as the components make theirs."""
    settings = RedisSettings.model_validate({"WHERRY_REDIS_URL": server_cluster.url})
    client = redis_client.connect(settings, max_connections=4)
    yield client
    await client.aclose()
