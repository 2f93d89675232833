"""One of several replicas acts: the one that holds the Lease.

The module ``kubernetes.aio.leaderelection`` is not used: it writes local times as UTC, puts no
deadline on a single request, so that a hanging one outlives the lease, and does not give the
lease back at the end.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from wherry_operator.kubernetes_api import (
    AlreadyExistsError,
    ConflictError,
    KubernetesApi,
    KubernetesError,
    NotFoundError,
    leases_path,
)

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "wherry-operator"
RENEWALS: Final = 6
"""Renewals within the life of a lease."""
LOOK_SECONDS: Final = 1.0
"""Pause between two looks at another's lease: a look costs the API server a read from memory."""


class Leadership:
    """Holds or awaits a Lease, as client-go's leader election does.

    A lease counts from the moment when a change of it was seen, on the own monotonic clock: the
    clocks of two machines need not agree. A holder stops acting before others may start: when
    its last renewal is older than 2/3 of the lease's life.
    """

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str,
        identity: str,
        *,
        lease_seconds: int,
        on_gain: Callable[[], None],
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._identity = identity
        self._lease_seconds = lease_seconds
        self._on_gain = on_gain
        self._renewed = float("-inf")
        self._seen: tuple[str, float] = ("", float("-inf"))
        self._told = False
        self.other_acted_until: datetime | None = None
        """When the replica that acted before this one last renewed the lease."""

    @property
    def holding(self) -> bool:
        """True while this replica may act."""
        return time.monotonic() - self._renewed < self._lease_seconds * 2 / 3

    async def run(self) -> None:
        """Acquire and renew until cancelled."""
        patience = self._lease_seconds / RENEWALS
        while True:
            started = time.monotonic()
            held = False
            try:
                async with asyncio.timeout(patience):
                    held = await self._acquire_or_renew()
            except (KubernetesError, TimeoutError) as error:
                why = str(error) or f"no answer within {patience:.1f} s"
                logger.warning("could not reach the lease: %s", why)
            if held:
                self._renewed = started
            self._tell()
            pause = patience if held else min(LOOK_SECONDS, patience)
            await asyncio.sleep(max(0.1, started + pause - time.monotonic()))

    def _tell(self) -> None:
        holding = self.holding
        if holding and not self._told:
            logger.info("this replica acts now (%s)", self._identity)
            self._on_gain()
        if self._told and not holding:
            logger.warning("this replica no longer acts: it could not renew the lease")
        self._told = holding

    async def release(self) -> None:
        """Give the lease back, so that another replica need not wait for its end."""
        if not self.holding:
            return
        self._renewed = float("-inf")
        try:
            lease = await self._api.request("GET", leases_path(self._namespace, LEASE_NAME))
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._put(lease)
        except KubernetesError as error:
            logger.warning("could not give the lease back: %s", error)

    async def _acquire_or_renew(self) -> bool:
        try:
            lease = await self._api.request("GET", leases_path(self._namespace, LEASE_NAME))
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
        if holder != self._identity:
            self.other_acted_until = _parsed(spec.get("renewTime"))
            spec["acquireTime"] = _micro_time()
            spec["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        spec["holderIdentity"] = self._identity
        spec["leaseDurationSeconds"] = self._lease_seconds
        try:
            await self._put(lease)
        except ConflictError:
            return False
        return True

    async def _create(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE_NAME, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._lease_seconds,
                "acquireTime": _micro_time(),
                "renewTime": _micro_time(),
                "leaseTransitions": 0,
            },
        }
        try:
            await self._api.request("POST", leases_path(self._namespace), body=body)
        except AlreadyExistsError:
            return False
        return True

    async def _put(self, lease: dict[str, Any]) -> None:
        lease["spec"]["renewTime"] = _micro_time()
        answer = await self._api.request(
            "PUT", leases_path(self._namespace, LEASE_NAME), body=lease
        )
        self._seen = (answer["metadata"]["resourceVersion"], time.monotonic())


def _parsed(moment: str | None) -> datetime | None:
    return datetime.fromisoformat(moment) if moment else None


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
