"""Reading request bodies: long ones a few at a time, and none for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.http.slots import NoSlotError, Slots
from wherry_api.metrics import REFUSED

LONG_BYTES: Final = 131_072
"""Ten thousand numbers of eleven digits fit into less."""
LONG_AT_ONCE: Final = 8
LONG_WAITING: Final = 200
PATIENCE_SECONDS: Final = 10.0
ARRIVAL_SECONDS: Final = 30.0
"""A body that comes more slowly is given up: 3 MiB take 0.8 Mbit/s."""


class RequestBodies:
    """Hands bodies out.

    A long body takes some three times its size until its job is created, so a hundred of 1.4 MB
    would take 400 MB. Those that wait for their turn are not read: the kernel and the client hold
    them.
    """

    def __init__(
        self,
        at_once: int = LONG_AT_ONCE,
        waiting: int = LONG_WAITING,
        patience_seconds: float = PATIENCE_SECONDS,
        arrival_seconds: float = ARRIVAL_SECONDS,
    ) -> None:
        self._long = Slots(at_once, waiting=waiting, patience_seconds=patience_seconds)
        self._arrival = arrival_seconds

    @asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body, to be done with inside; raises ProblemError 408, 413 or 503."""
        length = request.headers.get("content-length")
        if length is not None and int(length) <= LONG_BYTES:
            yield await self._read(request)
            return
        try:
            async with self._long.slot():
                yield await self._read(request)
        except NoSlotError as error:
            REFUSED.labels("bodies").inc()
            raise problems.unavailable("Too many long lists of ids came at once.") from error

    async def _read(self, request: Request) -> bytes:
        try:
            async with asyncio.timeout(self._arrival):
                return await request.body()
        except TimeoutError:
            raise ProblemError(
                problems.BODY_TOO_SLOW,
                f"The body did not arrive within {self._arrival:g} seconds.",
                headers={"Connection": "close"},
            ) from None
