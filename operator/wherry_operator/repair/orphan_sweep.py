"""Finds and deletes archives and uploads that no job owns, once they are old enough."""

import asyncio
import logging
from typing import Final

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.resources import TERMINAL_PHASES, DownloadJobStatus, Phase
from wherry_operator import metrics
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.repair.archive_store import ArchiveStore, Owner

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 60.0


def attempt_in_use(status: DownloadJobStatus) -> str | None:
    """Return the attempt whose folder a job still needs; None for every folder, "" for none.

    A job that failed or was cancelled needs none. Its runner, which deletes them as a rule, may
    have died at the same moment.
    """
    if status.phase is Phase.COMPLETED:
        return str(status.attempt)
    return "" if status.phase in TERMINAL_PHASES else None


class OrphanSweep:
    """Deletes only under the archive prefix, and only what belongs to watched namespaces.

    The cache alone is no proof that a job is gone: before the first deletion in a namespace, all
    jobs of that namespace are listed.
    """

    def __init__(
        self,
        kubernetes: KubernetesClient,
        cache: ClusterCache,
        store: ArchiveStore,
        tenants: tuple[str, ...] | None,
        *,
        age_seconds: float,
    ) -> None:
        self._kubernetes = kubernetes
        self._cache = cache
        self._store = store
        self._tenants = tenants
        self._age_seconds = age_seconds

    async def run(self, seconds: float, may_act: asyncio.Event) -> None:
        """Sweep every ``seconds`` until cancelled, on the replica that acts."""
        await asyncio.sleep(min(FIRST_PAUSE_SECONDS, seconds))
        while True:
            await may_act.wait()
            try:
                await self.sweep()
            except Exception:
                metrics.FAULTS.labels(kind="store").inc()
                logger.exception("could not search the store for orphans")
            await asyncio.sleep(seconds)

    async def sweep(self) -> int:
        """Delete what no job owns; return the number of objects and uploads."""
        attempts = self._attempts_in_use()
        uids: dict[str, set[str]] = {}
        deleted = 0
        async for item, owner in self._store.old_items(self._age_seconds):
            if self._tenants is not None and owner.namespace not in self._tenants:
                continue
            if not self._unowned(owner, attempts):
                continue
            if owner.namespace not in uids:
                uids[owner.namespace] = await self._job_uids(owner.namespace)
            if owner.uid in uids[owner.namespace] and owner.uid not in attempts:
                continue
            await self._store.delete_item(item)
            kind = "upload" if item.upload_id else "object"
            metrics.ORPHANS_REMOVED.labels(kind=kind).inc()
            logger.info("deleted the %s %s, which no job owns", kind, item.key)
            deleted += 1
        return deleted

    def _attempts_in_use(self) -> dict[str, str | None]:
        """Return the attempt whose folder is in use, by the job's uid; None for every folder."""
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
            return {metadata["uid"] async for metadata in self._kubernetes.list_metadata(path)}
        except KubernetesError as error:
            error.add_note(f"nothing is deleted for {namespace}")
            raise
