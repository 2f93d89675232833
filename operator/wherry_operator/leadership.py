"""Whether this replica acts: the one that holds the Lease does, once its cache is loaded.

The module ``kubernetes.aio.leaderelection`` is not used: it writes local times as UTC, sets no
deadline for a single request, so that a hanging one outlives the lease, and does not release the
lease at the end.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    KubernetesError,
    NotFoundError,
)
from wherry_core.kubernetes.paths import leases_path

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "wherry-operator"
RENEWALS: Final = 6
"""Renewals within the life of a lease."""
RETRY_SECONDS: Final = 1.0
"""Pause between two reads of another replica's lease, which cost the API server little."""
CHECK_SECONDS: Final = 0.1


class Lease:
    """Holds or awaits a Lease, as client-go's leader election does.

    A lease counts from the moment when a change of it was seen, on the local monotonic clock: the
    clocks of two machines need not agree. A holder stops acting before others may start: when
    its last renewal is older than 2/3 of the lease's life.
    """

    def __init__(
        self, kubernetes: KubernetesClient, namespace: str, identity: str, *, lease_seconds: int
    ) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace
        self._identity = identity
        self._lease_seconds = lease_seconds
        self._renewed = float("-inf")
        self._seen: tuple[str, float] = ("", float("-inf"))
        self.terms = 0
        """Number of times that this replica has acquired the lease."""
        self.acted_until: datetime | None = None
        """When the last holder before this one renewed the lease; None when there was none."""

    @property
    def holding(self) -> bool:
        """True while this replica may act."""
        return time.monotonic() - self._renewed < self._lease_seconds * 2 / 3

    async def run(self) -> None:
        """Acquire and renew until cancelled."""
        patience = self._lease_seconds / RENEWALS
        while True:
            started, was_holding = time.monotonic(), self.holding
            held = False
            try:
                async with asyncio.timeout(patience):
                    held = await self._acquire_or_renew()
            except (KubernetesError, TimeoutError) as error:
                why = str(error) or f"no answer within {patience:.1f} s"
                logger.warning("could not read or renew the lease: %s", why)
            if held:
                if not (was_holding and self.holding):
                    self.terms += 1
                self._renewed = started
            pause = patience if held else min(RETRY_SECONDS, patience)
            await asyncio.sleep(max(0.1, started + pause - time.monotonic()))

    async def release(self) -> None:
        """Release the lease, so that another replica need not wait for its end."""
        if not self.holding:
            return
        self._renewed = float("-inf")
        try:
            lease = await self._kubernetes.request("GET", leases_path(self._namespace, LEASE_NAME))
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._put(lease)
        except KubernetesError as error:
            logger.warning("could not release the lease: %s", error)

    async def _acquire_or_renew(self) -> bool:
        try:
            lease = await self._kubernetes.request("GET", leases_path(self._namespace, LEASE_NAME))
        except NotFoundError:
            return await self._create()
        spec = lease.setdefault("spec", {})
        holder = spec.get("holderIdentity") or ""
        version = f"{lease['metadata']['resourceVersion']}"
        if version != self._seen[0]:
            self._seen = (version, time.monotonic())
        alive = time.monotonic() - self._seen[1] < (spec.get("leaseDurationSeconds") or 0)
        if holder not in {"", self._identity} and alive:
            return False
        acted_until = self.acted_until
        if holder != self._identity:
            acted_until = _parsed(spec.get("renewTime"))
            spec["acquireTime"] = self._now()
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        spec["holderIdentity"] = self._identity
        spec["leaseDurationSeconds"] = self._lease_seconds
        try:
            await self._put(lease)
        except ConflictError:
            return False
        self.acted_until = acted_until
        return True

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE_NAME, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._lease_seconds,
                "acquireTime": self._now(),
                "renewTime": self._now(),
                "leaseTransitions": 0,
            },
        }
        try:
            await self._kubernetes.request("POST", leases_path(self._namespace), body=body)
        except AlreadyExistsError:
            return False
        return True

    async def _put(self, lease: dict[str, Any]) -> None:
        lease["spec"]["renewTime"] = self._now()
        answer = await self._kubernetes.request(
            "PUT", leases_path(self._namespace, LEASE_NAME), body=lease
        )
        self._seen = (answer["metadata"]["resourceVersion"], time.monotonic())

    def _now(self) -> str:
        """Return the API server's time as ``metav1.MicroTime``."""
        return self._kubernetes.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leadership:
    """Whether this replica acts, and the work that it only does while it acts."""

    def __init__(self, lease: Lease | None) -> None:
        """``lease`` is None when there is only one replica, which always acts."""
        self._lease = lease
        self._term = 0
        self.synced = asyncio.Event()
        """Set once the cache holds everything."""
        self.leading = asyncio.Event()
        """Set while this replica acts; up to 0.1 s late."""

    def may_act(self) -> bool:
        """Return whether this replica may write now."""
        return self.synced.is_set() and (self._lease is None or self._lease.holding)

    @property
    def acted_until(self) -> datetime | None:
        """When the replica that acted before this one last did so; None when that is unknown."""
        return self._lease.acted_until if self._lease else None

    async def watch(self) -> None:
        """Keep the event ``leading`` up to date until cancelled."""
        while True:
            leading, term = self.may_act(), self._lease.terms if self._lease else 0
            if leading and (not self.leading.is_set() or term != self._term):
                # Also when the lease was lost and acquired between two checks.
                logger.info("this replica acts now")
                self._term = term
                self.leading.set()
            elif self.leading.is_set() and not leading:
                logger.warning("this replica no longer acts: it could not renew the lease")
                self.leading.clear()
            await asyncio.sleep(CHECK_SECONDS)

    async def run_when_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` whenever this replica acts; cancel it when the replica no longer does.

        Raises what ``work`` raises.
        """
        while True:
            await self.leading.wait()
            task, term = asyncio.ensure_future(work()), self._term
            try:
                while self.leading.is_set() and self._term == term and not task.done():
                    await asyncio.wait({task}, timeout=CHECK_SECONDS)
            finally:
                if not task.done():
                    task.cancel()
                    await asyncio.wait({task})
            if not task.cancelled():
                task.result()


def _parsed(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment).astimezone(UTC) if moment else None
