import asyncio
import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings
from wherry_jobrunner.redis_link import RedisAwayError, RedisLink


def link() -> RedisLink:
    # Never connected to: a client sends nothing before its first command.
    return RedisLink(redis_client.connect(RedisSettings()))


async def fails() -> int:
    raise RedisConnectionError("refused")


async def works() -> int:
    return 7


async def test_absence_and_return_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tested = link()
    for _ in range(3):
        with pytest.raises(RedisAwayError):
            await tested.ask(fails())
    assert not tested.answering
    for _ in range(3):
        assert await tested.ask(works()) == 7
    assert tested.answering
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_what_takes_too_long_counts_as_absence() -> None:
    with pytest.raises(RedisAwayError):
        await link().ask(asyncio.sleep(3_600), 0.01)
