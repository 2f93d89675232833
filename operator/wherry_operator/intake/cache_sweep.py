"""Comparing the cache with the API server: what the watches have missed is found and repaired."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wherry_operator import metrics
from wherry_operator.intake.cache import Versioned, is_older
from wherry_operator.kubernetes_api import KubernetesApi, KubernetesError, NotFoundError

logger = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 3.0
FIRST_LOAD_SECONDS: Final = 120.0


@dataclass(frozen=True)
class SweptKind:
    """One kind of resource, and how the cache holds it."""

    name: str
    list_paths: tuple[str, ...]
    selector: str
    views: Mapping[str, Versioned]
    key_of: Callable[[dict[str, Any]], str]
    """Metadata to the cache's key."""
    path_of: Callable[[str], str]
    """The cache's key to the object's path."""
    take: Callable[[bool, dict[str, Any]], None]
    drop: Callable[[str, str], None]
    """Takes key and uid of an object that is gone."""
    recall: Callable[[str], None]
    """Takes the uid of an object that is there, whatever was believed of it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it."""

    uid: str
    version: str


class CacheSweep:
    """Lists only metadata, from the API server's own cache, and reads what differs."""

    def __init__(self, api: KubernetesApi, kinds: tuple[SweptKind, ...]) -> None:
        self._api = api
        self._kinds = kinds

    async def wait_loaded(self) -> None:
        """Wait until the cache holds everything that exists now."""
        for kind in self._kinds:
            listed = await self._until_listed(kind)
            deadline = asyncio.get_running_loop().time() + FIRST_LOAD_SECONDS
            while self._behind(kind, listed):
                if asyncio.get_running_loop().time() > deadline:
                    await self._repair(kind, listed, set())
                    break
                await asyncio.sleep(0.05)

    async def run(self, seconds: float) -> None:
        """Sweep every so many seconds until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            for kind in self._kinds:
                try:
                    await self.sweep(kind)
                except KubernetesError as error:
                    metrics.FAULTS.labels(kind="sweep").inc()
                    logger.warning("could not compare %ss with the cluster: %s", kind.name, error)

    async def sweep(self, kind: SweptKind) -> None:
        """Find and repair what the watch of ``kind`` has missed."""
        known = {key: view.uid for key, view in kind.views.items()}
        listed = await self._list(kind)
        missing = {key for key, uid in known.items() if key not in listed or listed[key].uid != uid}
        if not missing and not self._behind(kind, listed):
            return
        # What is only late, not missed, comes by itself.
        await asyncio.sleep(SETTLE_SECONDS)
        await self._repair(kind, listed, missing)

    async def _until_listed(self, kind: SweptKind) -> dict[str, Listed]:
        while True:
            try:
                return await self._list(kind)
            except KubernetesError as error:
                logger.warning("cannot list %ss yet: %s", kind.name, error)
                await asyncio.sleep(1)

    async def _list(self, kind: SweptKind) -> dict[str, Listed]:
        return {
            kind.key_of(metadata): Listed(metadata["uid"], metadata["resourceVersion"])
            for path in kind.list_paths
            async for metadata in self._api.list_metadata(path, kind.selector)
        }

    @staticmethod
    def _behind(kind: SweptKind, listed: Mapping[str, Listed]) -> list[str]:
        behind = []
        for key, there in listed.items():
            view = kind.views.get(key)
            if view is None or (
                view.uid == there.uid and is_older(view.resource_version, there.version)
            ):
                behind.append(key)
        return behind

    async def _repair(
        self, kind: SweptKind, listed: Mapping[str, Listed], missing: set[str]
    ) -> None:
        for key in {*self._behind(kind, listed), *(missing & kind.views.keys())}:
            view = kind.views.get(key)
            try:
                found = await self._api.request("GET", kind.path_of(key))
            except NotFoundError:
                if view is not None:
                    metrics.SWEEP_REPAIRS.labels(kind=kind.name, change="deleted").inc()
                    logger.info("the deletion of the %s %s was missed", kind.name, key)
                    kind.drop(key, view.uid)
                continue
            if view is not None and view.uid != found["metadata"]["uid"]:
                kind.drop(key, view.uid)
            kind.recall(found["metadata"]["uid"])
            if view is None or view.resource_version != found["metadata"]["resourceVersion"]:
                metrics.SWEEP_REPAIRS.labels(kind=kind.name, change="changed").inc()
                kind.take(False, found)
