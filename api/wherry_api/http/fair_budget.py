"""A budget that tenants share, of which one tenant can never take all.

Uses dynamic thresholds, as shared-memory switches do (Choudhury and Hahne, 1998): a tenant may
hold as much as is still free. One tenant alone gets half of the budget, two get a third each, and
some of it is always left for another tenant.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


class BudgetExhaustedError(Exception):
    """Raised when too many requests of the tenant wait, or no budget became free in time."""


@dataclass(eq=False)
class Grant:
    """A part of the budget that one request holds."""

    tenant: str
    amount: int


@dataclass(eq=False)
class _Waiter:
    tenant: str
    amount: int
    granted: asyncio.Future[Grant] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class FairBudget:
    """Grants parts of ``total``; requests beyond their tenant's share wait."""

    def __init__(self, total: int, *, waiting_per_tenant: int, patience_seconds: float) -> None:
        self.total = total
        self._waiting_per_tenant = waiting_per_tenant
        self._patience = patience_seconds
        self._held: Counter[str] = Counter()
        self._waiters: list[_Waiter] = []

    @property
    def free(self) -> int:
        """How much is not granted."""
        return self.total - self._held.total()

    async def acquire(self, tenant: str, amount: int) -> Grant:
        """Return a grant of ``amount``, at most the total; release it with :meth:`release`.

        Raises BudgetExhaustedError.
        """
        amount = min(amount, self.total)
        waiting = sum(waiter.tenant == tenant for waiter in self._waiters)
        if not waiting and self._fits(tenant, amount):
            return self._grant(tenant, amount)
        if waiting >= self._waiting_per_tenant:
            raise BudgetExhaustedError(
                f"{self._waiting_per_tenant} requests of the tenant wait already"
            )
        waiter = _Waiter(tenant, amount)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._patience):
                return await waiter.granted
        except BaseException as error:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif waiter.granted.done() and not waiter.granted.cancelled():
                # Granted in the same turn of the loop in which the wait ended.
                self.release(waiter.granted.result())
            if isinstance(error, TimeoutError):
                raise BudgetExhaustedError(
                    f"no budget became free within {self._patience:g} seconds"
                ) from None
            raise

    def shrink(self, grant: Grant, amount: int) -> None:
        """Reduce ``grant`` to ``amount``, once it is known that no more is needed."""
        if amount < grant.amount:
            self._held[grant.tenant] -= grant.amount - amount
            grant.amount = amount
            self._grant_waiters()

    def release(self, grant: Grant) -> None:
        """Return ``grant`` to the budget."""
        self._held[grant.tenant] -= grant.amount
        grant.amount = 0
        if self._held[grant.tenant] <= 0:
            del self._held[grant.tenant]
        self._grant_waiters()

    def _fits(self, tenant: str, amount: int) -> bool:
        held = self._held.get(tenant, 0)
        # A tenant that holds nothing may take what is free, so that large requests get through.
        share = self.free if held == 0 else self.free - held
        return amount <= share

    def _grant(self, tenant: str, amount: int) -> Grant:
        self._held[tenant] += amount
        return Grant(tenant, amount)

    def _grant_waiters(self) -> None:
        for waiter in tuple(self._in_order()):
            # A waiter whose wait was cancelled in this turn of the loop removes itself later.
            if not waiter.granted.done() and self._fits(waiter.tenant, waiter.amount):
                self._waiters.remove(waiter)
                waiter.granted.set_result(self._grant(waiter.tenant, waiter.amount))

    def _in_order(self) -> Iterator[_Waiter]:
        """Yield the waiters: those of the tenant that holds least first, then the oldest."""
        yield from sorted(self._waiters, key=lambda waiter: self._held.get(waiter.tenant, 0))
