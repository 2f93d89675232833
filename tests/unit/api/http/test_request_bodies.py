"""Long bodies are taken a few at a time, and none is waited for without end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.http.request_bodies import LONG_BYTES, RequestBodies

Receive = Callable[[], Awaitable[dict[str, Any]]]
REFUSED = ("wherry_api_refused_total", {"limit": "bodies"})


async def at_once() -> dict[str, Any]:
    return {"type": "http.request", "body": b"{}", "more_body": False}


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


def request(length: int | None, receive: Receive = at_once) -> Request:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return Request({"type": "http", "headers": headers}, receive)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("length", [LONG_BYTES + 1, None])
async def test_a_long_body_is_not_read_before_its_turn(length: int | None) -> None:
    bodies = RequestBodies(1)
    asked = False

    async def noted() -> dict[str, Any]:
        nonlocal asked
        asked = True
        return await at_once()

    async def second() -> bytes:
        async with bodies.body_of(request(length, noted)) as body:
            return body

    async with bodies.body_of(request(length)) as first:
        assert first == b"{}"
        waiting = asyncio.create_task(second())
        await settled()
        assert not asked
        # Short ones pass.
        async with bodies.body_of(request(LONG_BYTES)) as short:
            assert short == b"{}"
    assert await waiting == b"{}"


async def test_who_finds_too_many_waiting_is_told_when_to_come_again() -> None:
    bodies = RequestBodies(1, waiting=0)
    before = REGISTRY.get_sample_value(*REFUSED)
    assert before is not None
    async with bodies.body_of(request(None)):
        with pytest.raises(ProblemError) as caught:
            async with bodies.body_of(request(None)):
                raise AssertionError("not reached")
    assert caught.value.kind is problems.UNAVAILABLE
    assert caught.value.headers == {"Retry-After": "5"}
    assert REGISTRY.get_sample_value(*REFUSED) == before + 1


@pytest.mark.parametrize("length", [2, None])
async def test_a_body_that_does_not_come_is_given_up_and_its_turn_with_it(
    length: int | None,
) -> None:
    bodies = RequestBodies(1, arrival_seconds=0.01)
    with pytest.raises(ProblemError) as caught:
        async with bodies.body_of(request(length, never)):
            raise AssertionError("not reached")
    assert caught.value.kind is problems.BODY_TOO_SLOW
    async with bodies.body_of(request(None)) as next_one:
        assert next_one == b"{}"


async def test_what_fails_inside_gives_the_turn_back() -> None:
    bodies = RequestBodies(1)
    with pytest.raises(ProblemError, match="mine"):
        async with bodies.body_of(request(None)):
            raise ProblemError(problems.INVALID_REQUEST, "mine")
    async with bodies.body_of(request(None)) as next_one:
        assert next_one == b"{}"
