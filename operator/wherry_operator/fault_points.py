"""Points at which tests kill the process, to show that nothing is lost by it.

A point stands before and after every write to the Kubernetes API (``before-patch-downloadjobs``),
every named command to Redis (``after-redis-enqueue``) and every deletion of archives
(``before-store-remove``). Requests and commands are observed from outside, so that the code that
sends them does not mention this module.
"""

import os
import signal
from typing import Any, Final

from wherry_core.kubernetes.metrics import resource_of
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.settings import StoreSettings
from wherry_operator.repair.archive_store import ArchiveStore

VARIABLE: Final = "WHERRY_FAULT_POINT"
"""``<name>`` or ``<name>:<number>``: the process kills itself when it reaches the point the
number-th time (the first, when left out). Several names, separated by commas, count together. For
tests only."""


class FaultPoints:
    """Kills the process with SIGKILL at the points that the environment names.

    Is a :class:`~wherry_core.kubernetes.client.RequestObserver`.
    """

    def __init__(self) -> None:
        names, _, number = os.environ.get(VARIABLE, "").partition(":")
        self._points = frozenset(names.split(",")) - {""}
        self._left = int(number or 1)

    def reach(self, name: str) -> None:
        """Kill the process if the environment names this point."""
        if name not in self._points:
            return
        self._left -= 1
        if self._left == 0:
            # Not with the logger, whose line could still be in a buffer.
            os.write(2, f"killed itself at the fault point {name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def sending(self, method: str, path: str) -> None:
        """Reach the point before a write."""
        if method != "GET":
            self.reach(f"before-{method.lower()}-{resource_of(path)}")

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Reach the point after a write that the API server has carried out."""
        if method != "GET" and 0 < status < 400:
            self.reach(f"after-{method.lower()}-{resource_of(path)}")


class ObservedArchiveStore(ArchiveStore):
    """An archive store with the points before and after each deletion of a job's objects."""

    def __init__(
        self, client: Any, settings: StoreSettings, clock: ServerClock, points: FaultPoints
    ) -> None:
        super().__init__(client, settings, clock)
        self._points = points

    async def delete_job(self, namespace: str, uid: str) -> None:
        """Delete everything of a job."""
        self._points.reach("before-store-remove")
        await super().delete_job(namespace, uid)
        self._points.reach("after-store-remove")
