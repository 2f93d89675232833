"""Archives and uploads that no job owns: found and removed, once they are old enough."""

import asyncio
import logging
from typing import Final

from wherry_core.resources import TERMINAL_PHASES, DownloadJobStatus, Phase
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.kubernetes_api import (
    KubernetesApi,
    KubernetesError,
    jobs_path,
)
from wherry_operator.repair.archive_store import ArchiveStore, Owner

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 60.0


def attempt_in_use(status: DownloadJobStatus) -> str | None:
    """Return the attempt whose folder a job still needs: None for any, empty for none.

    A job that failed or was cancelled needs nothing; its runner, which would have cleared up, may
    have died at the same moment.
    """
    if status.phase is Phase.COMPLETED:
        return str(status.attempt)
    return "" if status.phase in TERMINAL_PHASES else None


class OrphanSweep:
    """Removes only what lies under the archive prefix, in the namespaces that are watched.

    The cache alone never condemns anything: before the first removal in a namespace the API
    server is asked for all its jobs.
    """

    def __init__(
        self,
        api: KubernetesApi,
        cache: ClusterCache,
        store: ArchiveStore,
        tenants: tuple[str, ...] | None,
        *,
        age_seconds: float,
    ) -> None:
        self._api = api
        self._cache = cache
        self._store = store
        self._tenants = tenants
        self._age_seconds = age_seconds

    async def run(self, seconds: float, may_act: asyncio.Event) -> None:
        """Sweep every so many seconds until cancelled, on the replica that acts."""
        await asyncio.sleep(min(FIRST_PAUSE_SECONDS, seconds))
        while True:
            await may_act.wait()
            try:
                await self.sweep()
            except Exception:
                metrics.FAULTS.labels(kind="store").inc()
                logger.exception("could not search the store for what no job owns")
            await asyncio.sleep(seconds)

    async def sweep(self) -> int:
        """Remove what no job owns; return how many things that were."""
        attempts = self._attempts_in_use()
        uids: dict[str, set[str]] = {}
        removed = 0
        async for thing, owner in self._store.old_things(self._age_seconds):
            if self._tenants is not None and owner.namespace not in self._tenants:
                continue
            if not self._unowned(owner, attempts):
                continue
            if owner.namespace not in uids:
                uids[owner.namespace] = await self._job_uids(owner.namespace)
            if owner.uid in uids[owner.namespace] and owner.uid not in attempts:
                continue
            await self._store.remove_thing(thing)
            kind = "upload" if thing.upload_id else "object"
            metrics.ORPHANS_REMOVED.labels(kind=kind).inc()
            logger.info("removed the %s %s, which no job owns", kind, thing.key)
            removed += 1
        return removed

    def _attempts_in_use(self) -> dict[str, str | None]:
        """Return by uid which attempt's folder is in use; None for all of them."""
        return {view.uid: attempt_in_use(view.job.status) for view in self._cache.jobs.values()}

    @staticmethod
    def _unowned(owner: Owner, attempts: dict[str, str | None]) -> bool:
        if owner.uid not in attempts:
            return True
        used = attempts[owner.uid]
        return used is not None and used != owner.attempt

    async def _job_uids(self, namespace: str) -> set[str]:
        """Return the uids of all jobs in a namespace. Raises KubernetesError."""
        path = jobs_path(namespace)
        try:
            return {metadata["uid"] async for metadata in self._api.list_metadata(path)}
        except KubernetesError as error:
            error.add_note(f"nothing is removed for {namespace}")
            raise
