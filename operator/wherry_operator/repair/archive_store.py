"""Deletions from the store: archives of deleted jobs, leftovers of attempts, and orphans."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_core import archive_deletion, archive_keys
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.resources import Phase
from wherry_core.settings import StoreSettings
from wherry_operator import metrics
from wherry_operator.intake.job_view import JobView

logger = logging.getLogger(__name__)

UID_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An object or an open upload under the archive prefix."""

    key: str
    changed: datetime
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The job and the attempt that a key belongs to."""

    namespace: str
    uid: str
    attempt: str


def owner_of(key: str, prefix: str) -> Owner | None:
    """Return the owner of a key, or None when Wherry does not write such keys."""
    if not key.startswith(prefix):
        return None
    parts = key[len(prefix) :].split("/", 3)
    if len(parts) != 4 or len(parts[1]) != UID_LENGTH or not parts[2].isdecimal():
        return None
    return Owner(namespace=parts[0], uid=parts[1], attempt=parts[2])


class ArchiveStore:
    """The archive bucket; only touches keys under the archive prefix."""

    def __init__(self, client: Any, settings: StoreSettings, clock: ServerClock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock

    async def delete_job(self, namespace: str, uid: str) -> None:
        """Delete everything of a job."""
        await archive_deletion.remove_job(self._client, self._settings, namespace, uid)

    async def clean_up(self, view: JobView) -> None:
        """Delete everything of a job but its archive: the leftovers of earlier attempts.

        Errors are only logged and counted, because the end of the job's lifetime deletes the rest.
        """
        metadata, status = view.job.metadata, view.job.status
        folder = archive_keys.archive_folder(self._settings, metadata.namespace, metadata.uid)
        kept = f"{folder}{status.attempt}/" if status.phase is Phase.COMPLETED else None
        try:
            async for item in self.items(folder):
                if kept is None or not item.key.startswith(kept):
                    await self.delete_item(item)
        except (BotoCoreError, ClientError) as error:
            # The store is unavailable or misconfigured; the client's message says which.
            metrics.FAULTS.labels(kind="store").inc()
            logger.warning("could not delete leftovers: %s", error, extra={"job": view.key})
        except Exception:
            metrics.FAULTS.labels(kind="store").inc()
            logger.exception("could not delete leftovers in the store", extra={"job": view.key})

    async def items(self, folder: str) -> AsyncIterator[StoredItem]:
        """Yield the open uploads and the objects under ``folder``."""
        bucket = self._settings.archive_bucket
        uploads = self._client.get_paginator("list_multipart_uploads")
        async for page in uploads.paginate(Bucket=bucket, Prefix=folder):
            for upload in page.get("Uploads", []):
                if upload["Key"].startswith(folder):
                    yield StoredItem(upload["Key"], upload["Initiated"], upload["UploadId"])
        objects = self._client.get_paginator("list_objects_v2")
        async for page in objects.paginate(Bucket=bucket, Prefix=folder):
            for each in page.get("Contents", []):
                yield StoredItem(each["Key"], each["LastModified"])

    async def delete_item(self, item: StoredItem) -> None:
        """Delete one object or abort one upload. Raises ValueError outside the archive prefix."""
        if not item.key.startswith(self._settings.archive_prefix):
            raise ValueError(f"{item.key} is not under the archive prefix")
        bucket = self._settings.archive_bucket
        if item.upload_id is None:
            await self._client.delete_object(Bucket=bucket, Key=item.key)
        else:
            await self._client.abort_multipart_upload(
                Bucket=bucket, Key=item.key, UploadId=item.upload_id
            )

    async def old_items(self, age_seconds: float) -> AsyncIterator[tuple[StoredItem, Owner]]:
        """Yield all of Wherry's items that have not changed for ``age_seconds``."""
        edge = self._clock.now() - timedelta(seconds=age_seconds)
        async for item in self.items(self._settings.archive_prefix):
            owner = owner_of(item.key, self._settings.archive_prefix)
            if owner is not None and item.changed <= edge:
                yield item, owner
