"""Reads request bodies: within a time limit, and within a memory budget that tenants share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from wherry_api.http import problems
from wherry_api.http.fair_budget import BudgetExhaustedError, FairBudget, Grant
from wherry_api.http.problems import ProblemError
from wherry_api.metrics import REFUSED

LONG_BYTES: Final = 131_072
"""Bodies up to this size need no budget; ten thousand ids of eleven digits are shorter."""
LARGEST_AT_ONCE: Final = 16
"""The budget, in bodies of the largest size: a job's request takes about three times its size."""
WAITING_PER_TENANT: Final = 200
PATIENCE_SECONDS: Final = 10.0
ARRIVAL_SECONDS: Final = 30.0
"""Seconds within which a body must arrive: 3 MiB at 0.8 Mbit/s."""


class RequestBodies:
    """Reads bodies.

    A long body takes from the budget only once its first :data:`LONG_BYTES` have arrived: requests
    whose bytes do not come hold nothing that others need. While it waits for the budget it is not
    read, so its bytes stay in the kernel and at the client.
    """

    def __init__(
        self,
        max_body_bytes: int,
        *,
        largest_at_once: int = LARGEST_AT_ONCE,
        waiting_per_tenant: int = WAITING_PER_TENANT,
        patience_seconds: float = PATIENCE_SECONDS,
        arrival_seconds: float = ARRIVAL_SECONDS,
    ) -> None:
        self._max_body_bytes = max_body_bytes
        self._budget = FairBudget(
            largest_at_once * max_body_bytes,
            waiting_per_tenant=waiting_per_tenant,
            patience_seconds=patience_seconds,
        )
        self._arrival = arrival_seconds

    @asynccontextmanager
    async def body_of(self, request: Request, tenant: str) -> AsyncIterator[bytes]:
        """Yield the body; its part of the budget is released at the end of the block.

        Raises ProblemError 408 (too slow), 413 (too large) or 503 (no budget became free).
        """
        async with aclosing(request.stream()) as chunks:
            body, complete = await self._read(chunks, LONG_BYTES)
            if complete:
                yield body
                return
            length = request.headers.get("content-length")
            grant = await self._grant(
                tenant, self._max_body_bytes if length is None else int(length)
            )
            try:
                rest, _ = await self._read(chunks, self._max_body_bytes)
                self._budget.shrink(grant, len(body) + len(rest))
                yield body + rest
            finally:
                self._budget.release(grant)

    async def _grant(self, tenant: str, size: int) -> Grant:
        try:
            return await self._budget.acquire(tenant, size)
        except BudgetExhaustedError as error:
            REFUSED.labels("bodies").inc()
            raise problems.unavailable("Too many large requests are in progress.") from error

    async def _read(self, chunks: AsyncIterator[bytes], up_to: int) -> tuple[bytes, bool]:
        """Return what arrives until more than ``up_to`` bytes have come, and whether it is all."""
        read: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._arrival):
                async for chunk in chunks:
                    read.append(chunk)
                    size += len(chunk)
                    if size > up_to:
                        return b"".join(read), False
        except TimeoutError:
            raise ProblemError(
                problems.BODY_TOO_SLOW,
                f"The body did not arrive within {self._arrival:g} seconds. Send it faster, or "
                "split the request.",
                headers={"Connection": "close"},
            ) from None
        return b"".join(read), True
