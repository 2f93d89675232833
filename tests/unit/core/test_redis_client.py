from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.sentinel import SentinelConnectionPool

from wherry_core.redis.client import connect
from wherry_core.redis.connections import SafeSends
from wherry_core.redis.keys import Keyspace
from wherry_core.settings import RedisSettings


def settings(**values: Any) -> RedisSettings:
    return RedisSettings.model_validate(values)


async def test_host_port_password_and_database() -> None:
    client = connect(
        settings(REDIS_HOST="redis.example", REDIS_PORT=6380, REDIS_PASSWORD="p", REDIS_DB=3)
    )
    options = client.connection_pool.connection_kwargs  # type: ignore[union-attr]
    assert (options["host"], options["port"], options["password"], options["db"]) == (
        "redis.example", 6380, "p", 3,
    )  # fmt: skip


async def test_a_url_replaces_them() -> None:
    client = connect(settings(WHERRY_REDIS_URL="redis://:p@redis.example:6380/3", REDIS_PORT=1))
    options = client.connection_pool.connection_kwargs  # type: ignore[union-attr]
    assert (options["host"], options["port"], options["password"], options["db"]) == (
        "redis.example", 6380, "p", 3,
    )  # fmt: skip


async def test_sentinels_are_asked_for_the_master() -> None:
    url = "redis+sentinel://me:p%40ss@one.example:26380,two.example/shuttle?db=2"
    client = connect(settings(WHERRY_REDIS_URL=url))
    pool = client.connection_pool  # type: ignore[union-attr]
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "shuttle"
    kwargs = pool.connection_kwargs
    assert (kwargs["username"], kwargs["password"], kwargs["db"]) == ("me", "p@ss", 2)
    asked = [
        (
            each.connection_pool.connection_kwargs["host"],
            each.connection_pool.connection_kwargs["port"],
        )
        for each in pool.sentinel_manager.sentinels
    ]
    assert asked == [("one.example", 26380), ("two.example", 26379)]


async def test_a_cluster_url() -> None:
    url = "redis+cluster://me:p%40ss@c.example:7000,d.example"
    client = connect(settings(WHERRY_REDIS_URL=url))
    assert isinstance(client, RedisCluster)
    named = [(node.host, node.port) for node in client.startup_nodes]
    assert named == [("c.example", 7000), ("d.example", 6379)]
    kwargs = client.connection_kwargs
    assert (kwargs["username"], kwargs["password"]) == ("me", "p@ss")
    assert issubclass(kwargs["connection_class"], SafeSends)
    assert all(node.connection_class is kwargs["connection_class"] for node in client.startup_nodes)


def client_of(release: str, **values: Any) -> Any:
    return connect(settings(WHERRY_RELEASE=release, **values))


@pytest.mark.parametrize(
    "url",
    [
        None,
        "redis://redis.example",
        "redis+sentinel://one.example/shuttle",
        "redis+cluster://c.example",
    ],
)
async def test_a_client_carries_the_keys_of_its_release(url: str | None) -> None:
    place = {"WHERRY_REDIS_URL": url} if url else {}
    assert client_of("wherry/main", **place).keyspace == Keyspace("wherry/main")
    assert client_of("", **place).keyspace == Keyspace()


@pytest.mark.parametrize(
    "release",
    ["main", "/main", "wherry/", "Wherry/main", "a/b/c", "a/b*", "a/b:c", "a/{b}", "a /b"],
)
def test_a_release_that_is_no_namespace_and_name_is_refused(release: str) -> None:
    with pytest.raises(ValidationError):
        settings(WHERRY_RELEASE=release)
