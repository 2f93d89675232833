import logging

import pytest
from redis.exceptions import AuthenticationError

from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.settings import RedisSettings
from wherry_operator.redis_link import RedisLink


def link() -> RedisLink:
    # Never connected to: a client sends nothing before its first command.
    return RedisLink(redis_client.connect(RedisSettings()))


async def test_a_redis_that_never_answered_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tested = link()
    for _ in range(3):
        tested.went_down(AuthenticationError("invalid username-password pair"))
    assert [record.getMessage() for record in caplog.records] == [
        "Redis does not answer, going on without it: invalid username-password pair"
    ]
    assert tested.lost.is_set()


async def test_each_loss_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def slow(_redis: Redis) -> int:
        raise TimeoutError

    tested = link()
    for _ in range(2):
        tested.up = True
        assert await tested.attempt("mark", slow) is None
        assert await tested.attempt("mark", slow) is None
    assert [record.getMessage() for record in caplog.records] == [
        "Redis does not answer, going on without it: TimeoutError"
    ] * 2
