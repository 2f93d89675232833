"""The link to Redis, with each program's policy."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.redis.link import LinkHooks, LinkPolicy, RedisLink, RedisUnavailableError
from wherry_core.settings import RedisSettings

API = LinkPolicy(
    patience_seconds=3,
    pause_seconds=60,
    commands_at_once=8,
    consequence="jobs are read from Kubernetes",
)
OPERATOR = LinkPolicy(starts_up=False, recovers_by_itself=False)
RUNNER = LinkPolicy(consequence="claimed jobs continue without it")


@dataclass
class Recorded:
    """What the hooks were called with."""

    events: list[str] = field(default_factory=list)

    def hooks(self) -> LinkHooks:
        return LinkHooks(
            on_failure=lambda error: self.events.append(f"failure {type(error).__name__}"),
            on_lost=lambda error: self.events.append(f"lost {type(error).__name__}"),
            on_recovered=lambda: self.events.append("recovered"),
            reach=self.events.append,
        )


def link(policy: LinkPolicy, recorded: Recorded | None = None) -> RedisLink:
    # Never connected to: a client sends nothing before its first command.
    hooks = recorded.hooks() if recorded else LinkHooks()
    return RedisLink(redis_client.connect(RedisSettings()), policy, hooks)


async def fails(_: Redis) -> int:
    raise RedisConnectionError("refused")


async def works(_: Redis) -> int:
    return 7


async def hangs(_: Redis) -> int:
    await asyncio.Event().wait()
    return 0


async def test_an_outage_is_logged_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    recorded = Recorded()
    tested = link(RUNNER, recorded)
    for _ in range(3):
        with pytest.raises(RedisUnavailableError, match="ConnectionError: refused"):
            await tested.send(fails)
    assert not tested.up
    for _ in range(3):
        assert await tested.send(works) == 7
    assert tested.up
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is unavailable, claimed jobs continue without it: ConnectionError: refused",
        "Redis is available again",
    ]
    assert recorded.events == [
        "failure ConnectionError",
        "lost ConnectionError",
        "failure ConnectionError",
        "failure ConnectionError",
        "recovered",
    ]


async def test_each_outage_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    tested = link(RUNNER)
    for _ in range(2):
        with pytest.raises(RedisUnavailableError):
            await tested.send(fails)
        await tested.send(works)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


async def test_a_slow_answer_counts_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    tested = link(RUNNER)
    with pytest.raises(RedisUnavailableError, match="TimeoutError"):
        await tested.send(hangs, within_seconds=0.01)
    assert not tested.up
    assert caplog.records[0].getMessage().endswith("it: TimeoutError")


async def test_a_cancelled_command_says_nothing_about_redis() -> None:
    tested = link(RUNNER)
    sending = asyncio.create_task(tested.send(hangs))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert tested.up


async def test_an_error_that_is_not_of_redis_passes_through() -> None:
    async def broken(_: Redis) -> int:
        raise KeyError("snapshot")

    tested = link(RUNNER)
    with pytest.raises(KeyError):
        await tested.send(broken)
    assert tested.up


async def test_load_is_no_sign_of_an_outage() -> None:
    async def slow(_: Any) -> str:
        await asyncio.sleep(0.2)
        return "answer"

    tested = link(LinkPolicy(patience_seconds=1.0, pause_seconds=60, commands_at_once=8))
    # All together take 1.6 s, each by itself 0.2 s.
    assert await asyncio.gather(*(tested.send(slow) for _ in range(64))) == ["answer"] * 64
    assert not tested.paused


async def test_waiting_commands_fail_with_the_first() -> None:
    sent = 0

    async def hanging(_: Any) -> None:
        nonlocal sent
        sent += 1
        await asyncio.Event().wait()

    tested = link(LinkPolicy(patience_seconds=0.1, pause_seconds=60, commands_at_once=8))
    answers = await asyncio.gather(
        *(tested.send(hanging) for _ in range(40)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {RedisUnavailableError}
    assert sent == 8
    assert tested.paused


async def test_nothing_is_sent_during_the_pause() -> None:
    recorded = Recorded()
    tested = link(LinkPolicy(pause_seconds=0.2), recorded)
    with pytest.raises(RedisUnavailableError):
        await tested.send(fails)
    with pytest.raises(RedisUnavailableError, match="a moment ago"):
        await tested.send(works)
    await asyncio.sleep(0.25)
    assert await tested.send(works) == 7
    assert tested.up
    assert recorded.events == ["failure ConnectionError", "lost ConnectionError", "recovered"]


async def test_the_operator_sends_nothing_until_it_declares_a_recovery() -> None:
    recorded = Recorded()
    tested = link(OPERATOR, recorded)
    assert await tested.attempt(works, name="mark") is None
    assert recorded.events == []
    # The index repair sends during an outage; its answer alone ends none.
    assert await tested.send(works, name="mark") == 7
    assert not tested.up
    tested.recovered()
    assert await tested.attempt(works, name="mark") == 7
    assert recorded.events == [
        "before-redis-mark",
        "after-redis-mark",
        "recovered",
        "before-redis-mark",
        "after-redis-mark",
    ]


async def test_a_failed_attempt_begins_an_outage_and_wakes_its_waiter() -> None:
    recorded = Recorded()
    tested = link(OPERATOR, recorded)
    tested.recovered()
    assert not tested.lost.is_set()
    assert await tested.attempt(fails, name="mark") is None
    assert not tested.up
    assert tested.lost.is_set()
    assert recorded.events[1:] == [
        "before-redis-mark",
        "failure ConnectionError",
        "lost ConnectionError",
    ]


async def test_a_redis_that_never_answered_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorded = Recorded()
    tested = link(OPERATOR, recorded)
    for _ in range(3):
        tested.failed(AuthenticationError("invalid password"))
    assert [record.getMessage() for record in caplog.records] == [
        "Redis is unavailable, continuing without it: AuthenticationError: invalid password"
    ]
    assert recorded.events.count("lost AuthenticationError") == 1


async def test_the_api_policy_lets_eight_commands_through_at_once() -> None:
    running = most = 0

    async def counted(_: Redis) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    tested = link(API)
    await asyncio.gather(*(tested.send(counted) for _ in range(50)))
    assert most == 8
