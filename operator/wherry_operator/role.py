"""Whether this replica acts, and what runs only while it does."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

LOOK_SECONDS: Final = 0.1


class Role:
    """A replica acts once its cache is loaded, and while it holds the Lease if there is one."""

    def __init__(self, holds_lease: Callable[[], bool]) -> None:
        self._holds_lease = holds_lease
        self.synced = asyncio.Event()
        """Set once the cache holds everything."""
        self.leading = asyncio.Event()
        """Set while this replica acts; up to 0.1 s late."""

    def may_act(self) -> bool:
        """Return whether this replica may write now."""
        return self.synced.is_set() and self._holds_lease()

    async def watch(self) -> None:
        """Keep the event ``leading`` as the role is, until cancelled."""
        while True:
            if self.may_act():
                self.leading.set()
            else:
                self.leading.clear()
            await asyncio.sleep(LOOK_SECONDS)

    async def run_when_leading(self, work: Callable[[], Any]) -> None:
        """Run ``work`` whenever this replica leads; losing the role cancels it.

        Raises what ``work`` raises.
        """
        while True:
            await self.leading.wait()
            task = asyncio.ensure_future(work())
            try:
                while self.leading.is_set() and not task.done():
                    await asyncio.wait({task}, timeout=2 * LOOK_SECONDS)
            finally:
                if not task.done():
                    task.cancel()
                    await asyncio.wait({task})
            if not task.cancelled():
                task.result()
