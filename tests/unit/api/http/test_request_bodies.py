"""Request bodies: bounded in time and memory, and fair between tenants."""

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
LONG = LONG_BYTES + 1


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("not reached")


class Upload:
    """A client that sends ``pieces`` and then, unless they are all, stalls."""

    def __init__(self, *pieces: int, whole: bool = True) -> None:
        self.pieces = list(pieces)
        self.whole = whole

    async def __call__(self) -> dict[str, Any]:
        if not self.pieces:
            return await never()
        body = b" " * self.pieces.pop(0)
        return {
            "type": "http.request",
            "body": body,
            "more_body": bool(self.pieces) or not self.whole,
        }


def request(receive: Receive, length: int | None = None) -> Request:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return Request({"type": "http", "headers": headers}, receive)


def bodies(**options: Any) -> RequestBodies:
    return RequestBodies(4 * LONG, **{"largest_at_once": 2, **options})


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def read(
    shared: RequestBodies, tenant: str, receive: Receive, length: int | None = None
) -> int:
    async with shared.body_of(request(receive, length), tenant) as body:
        return len(body)


async def test_heads_without_a_body_hold_nothing() -> None:
    shared = bodies()
    stalled = [asyncio.create_task(read(shared, "a", never)) for _ in range(100)]
    await settled()
    for tenant in ("a", "b"):
        assert await read(shared, tenant, Upload(LONG, LONG)) == 2 * LONG
    for task in stalled:
        task.cancel()


async def test_a_tenant_whose_long_bodies_stall_does_not_refuse_another() -> None:
    shared = bodies(largest_at_once=4)
    stalled = [
        asyncio.create_task(read(shared, "a", Upload(LONG, whole=False))) for _ in range(100)
    ]
    await settled()
    async with asyncio.timeout(1):
        assert await read(shared, "b", Upload(LONG, LONG)) == 2 * LONG
    for task in stalled:
        task.cancel()


async def test_a_long_body_waits_unread_until_there_is_memory() -> None:
    shared = bodies(largest_at_once=1)
    upload = Upload(LONG, LONG, LONG)
    async with shared.body_of(request(Upload(4 * LONG)), "a"):
        waiting = asyncio.create_task(read(shared, "b", upload))
        await settled()
        assert upload.pieces == [LONG, LONG]
    assert await waiting == 3 * LONG


async def test_the_refusal_says_when_to_retry_and_is_counted() -> None:
    shared = bodies(largest_at_once=1, waiting_per_tenant=0)
    before = REGISTRY.get_sample_value(*REFUSED)
    assert before is not None
    async with shared.body_of(request(Upload(4 * LONG)), "a"):
        with pytest.raises(ProblemError) as caught:
            await read(shared, "a", Upload(LONG))
        # Short bodies are still taken.
        assert await read(shared, "a", Upload(LONG_BYTES), LONG_BYTES) == LONG_BYTES
    assert caught.value.kind is problems.UNAVAILABLE
    assert caught.value.headers == {"Retry-After": "5"}
    assert REGISTRY.get_sample_value(*REFUSED) == before + 1


@pytest.mark.parametrize("receive", [never, Upload(2, whole=False), Upload(LONG, whole=False)])
async def test_a_body_that_does_not_arrive_is_refused_and_its_memory_released(
    receive: Receive,
) -> None:
    shared = bodies(largest_at_once=1, arrival_seconds=0.01)
    with pytest.raises(ProblemError) as caught:
        await read(shared, "a", receive)
    assert caught.value.kind is problems.BODY_TOO_SLOW
    assert await read(shared, "a", Upload(4 * LONG), 4 * LONG) == 4 * LONG


async def test_a_fault_inside_releases_the_memory() -> None:
    shared = bodies(largest_at_once=1)
    with pytest.raises(ProblemError, match="mine"):
        async with shared.body_of(request(Upload(4 * LONG)), "a"):
            raise ProblemError(problems.INVALID_REQUEST, "mine")
    assert await read(shared, "a", Upload(4 * LONG)) == 4 * LONG
