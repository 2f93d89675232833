import asyncio
from typing import Any

import pytest

from wherry_api.services import redis_gate
from wherry_api.services.redis_gate import COMMANDS_AT_ONCE, RedisGate, RedisUnavailableError
from wherry_core.redis import client as redis_client
from wherry_core.settings import RedisSettings


@pytest.fixture
def gate() -> RedisGate:
    return RedisGate(redis_client.connect(RedisSettings()))  # Nothing is sent to it here.


async def test_a_rush_is_no_sign_that_redis_is_down(
    gate: RedisGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_gate, "TIMEOUT_SECONDS", 3)

    async def slow(_: Any) -> str:
        await asyncio.sleep(0.5)
        return "answer"

    # Together they take four seconds, each by itself half of one.
    rush = COMMANDS_AT_ONCE * 8
    assert await asyncio.gather(*(gate.run(slow) for _ in range(rush))) == ["answer"] * rush
    assert gate.open


async def test_who_waits_for_a_dead_redis_waits_no_longer_than_the_first(
    gate: RedisGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_gate, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(redis_gate, "PAUSE_SECONDS", 60)
    sent = 0

    async def hangs(_: Any) -> None:
        nonlocal sent
        sent += 1
        await asyncio.Event().wait()

    answers = await asyncio.gather(
        *(gate.run(hangs) for _ in range(COMMANDS_AT_ONCE * 5)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {RedisUnavailableError}
    assert sent == COMMANDS_AT_ONCE
    assert not gate.open
