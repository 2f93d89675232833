"""Compares the cache with the API server: finds and repairs what the watches have missed."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError
from wherry_core.kubernetes.paths import jobs_path, pods_path, pools_path
from wherry_core.resources.names import POOL_LABEL
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache, Kind, is_older
from wherry_operator.intake.ingest import ClusterIntake, key_of

logger = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 3.0
"""Seconds to wait for late events of a watch."""
STALL_SECONDS: Final = 1.0
"""Time without progress after which the first load reads objects one by one."""
POLL_SECONDS: Final = 0.05
READ_AT_ONCE: Final = 50
RETRY_SECONDS: Final = 1.0

LOADING_ORDER: Final = (Kind.POOL, Kind.POD, Kind.JOB)


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it."""

    uid: str
    resource_version: str


class CacheSweep:
    """Lists only metadata, from the API server's own cache, and reads what differs."""

    def __init__(
        self,
        kubernetes: KubernetesClient,
        cache: ClusterCache,
        intake: ClusterIntake,
        *,
        namespace: str,
        tenants: tuple[str, ...] | None,
    ) -> None:
        self._kubernetes = kubernetes
        self._cache = cache
        self._intake = intake
        self._namespace = namespace
        self._tenants = tenants

    async def wait_loaded(self) -> None:
        """Wait until the cache holds everything that exists now.

        An object that the watch does not bring, such as one that was deleted meanwhile, delays
        the start by a second and no longer.
        """
        for kind in LOADING_ORDER:
            await self._catch_up(kind, await self._until_listed(kind))

    async def run(self, seconds: float) -> None:
        """Sweep every ``seconds`` until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            for kind in LOADING_ORDER:
                try:
                    await self.sweep(kind)
                except KubernetesError as error:
                    metrics.FAULTS.labels(kind="sweep").inc()
                    logger.warning("could not compare %ss with the cluster: %s", kind, error)

    async def sweep(self, kind: Kind) -> None:
        """Find and repair what the watch of ``kind`` has missed. Raises KubernetesError."""
        known = {key: each.uid for key, each in self._cache.versions(kind).items()}
        listed = await self._list(kind)
        missing = {key for key, uid in known.items() if key not in listed or listed[key].uid != uid}
        if not missing and not self._behind(kind, listed):
            return
        await asyncio.sleep(SETTLE_SECONDS)
        still_missing = missing & self._cache.versions(kind).keys()
        for key in {*self._behind(kind, listed), *still_missing}:
            await self._read(kind, key)

    async def _until_listed(self, kind: Kind) -> dict[str, Listed]:
        while True:
            try:
                return await self._list(kind)
            except KubernetesError as error:
                logger.warning("cannot list %ss yet: %s", kind, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _catch_up(self, kind: Kind, listed: dict[str, Listed]) -> None:
        loop = asyncio.get_running_loop()
        behind, progress_at = self._behind(kind, listed), loop.time()
        while behind:
            await asyncio.sleep(POLL_SECONDS)
            before, behind = len(behind), self._behind(kind, listed)
            if len(behind) < before:
                progress_at = loop.time()
            elif loop.time() - progress_at >= STALL_SECONDS:
                await self._read_listed(kind, behind[:READ_AT_ONCE], listed)

    async def _read_listed(self, kind: Kind, keys: list[str], listed: dict[str, Listed]) -> None:
        try:
            for key in keys:
                await self._read(kind, key)
                del listed[key]
        except KubernetesError as error:
            logger.warning("cannot read %ss yet: %s", kind, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self, kind: Kind) -> dict[str, Listed]:
        if kind is Kind.JOB:
            paths, selector = [jobs_path(each) for each in self._tenants or (None,)], ""
        elif kind is Kind.POOL:
            paths, selector = [pools_path(self._namespace)], ""
        else:
            paths, selector = [pods_path(self._namespace)], POOL_LABEL
        return {
            key_of(kind, metadata): Listed(metadata["uid"], metadata["resourceVersion"])
            for path in paths
            async for metadata in self._kubernetes.list_metadata(path, selector)
        }

    def _behind(self, kind: Kind, listed: Mapping[str, Listed]) -> list[str]:
        """Return the keys that the cache does not have, or only in an older version."""
        versions, behind = self._cache.versions(kind), []
        for key, there in listed.items():
            known = versions.get(key)
            if known is None or (
                known.uid == there.uid and is_older(known.resource_version, there.resource_version)
            ):
                behind.append(key)
        return behind

    async def _read(self, kind: Kind, key: str) -> None:
        """Read one object and bring the cache up to date. Raises KubernetesError."""
        known = self._cache.versions(kind).get(key)
        try:
            raw = await self._kubernetes.request("GET", self._path(kind, key))
        except NotFoundError as error:
            if not error.concerns(key.rpartition("/")[2]):
                # The API server does not serve the resource at the moment.
                raise
            if known is not None:
                metrics.SWEEP_REPAIRS.labels(kind=kind.value, change="deleted").inc()
                logger.info("the deletion of the %s %s was missed", kind, key)
                self._intake.drop(kind, key, known.uid)
            return
        metadata = raw["metadata"]
        if known is not None and known.uid != metadata["uid"]:
            self._intake.drop(kind, key, known.uid)
        self._cache.allow(metadata["uid"])
        if known is None or known.resource_version != metadata["resourceVersion"]:
            metrics.SWEEP_REPAIRS.labels(kind=kind.value, change="changed").inc()
            self._intake.ingest(kind, raw)

    def _path(self, kind: Kind, key: str) -> str:
        if kind is Kind.POOL:
            return pools_path(self._namespace, key)
        if kind is Kind.POD:
            return pods_path(self._namespace, key)
        namespace, _, name = key.partition("/")
        return jobs_path(namespace, name)
