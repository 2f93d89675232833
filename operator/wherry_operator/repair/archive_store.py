"""What the operator removes from the store: archives of deleted jobs, leftovers, and orphans."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_core import archive_storage
from wherry_core.resources import Phase
from wherry_core.settings import StoreSettings
from wherry_operator import clock, fault_points, metrics
from wherry_operator.intake.job_view import JobView

logger = logging.getLogger(__name__)

UID_LENGTH: Final = 36


@dataclass(frozen=True, slots=True)
class StoredThing:
    """An object or an open upload under the archive prefix."""

    key: str
    changed: datetime
    upload_id: str | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a key is, as its path tells."""

    namespace: str
    uid: str
    attempt: str


def owner_of(key: str, prefix: str) -> Owner | None:
    """Return the owner of a key, or None when it does not look like one of Wherry's."""
    if not key.startswith(prefix):
        return None
    parts = key[len(prefix) :].split("/", 3)
    if len(parts) != 4 or len(parts[1]) != UID_LENGTH or not parts[2].isdecimal():
        return None
    return Owner(namespace=parts[0], uid=parts[1], attempt=parts[2])


class ArchiveStore:
    """The archive bucket; only ever touches keys under the archive prefix."""

    def __init__(self, client: Any, settings: StoreSettings) -> None:
        self._client = client
        self._settings = settings

    async def remove(self, view: JobView) -> None:
        """Remove everything of a job."""
        if view.job.status.start_time is None:
            return
        metadata = view.job.metadata
        fault_points.reach("before-store-remove")
        await archive_storage.remove_job(
            self._client, self._settings, metadata.namespace, metadata.uid
        )
        fault_points.reach("after-store-remove")

    async def tidy(self, view: JobView) -> None:
        """Remove what is not the archive of a job: the leftovers of earlier attempts.

        Errors are logged and counted only: the end of the job's lifetime removes the rest.
        """
        metadata, status = view.job.metadata, view.job.status
        folder = archive_storage.archive_folder(self._settings, metadata.namespace, metadata.uid)
        kept = f"{folder}{status.attempt}/" if status.phase is Phase.COMPLETED else None
        try:
            async for thing in self.things(folder):
                if kept is None or not thing.key.startswith(kept):
                    await self.remove_thing(thing)
        except (BotoCoreError, ClientError) as error:
            # A store that is away, or set up wrongly: the words of the client tell which.
            metrics.FAULTS.labels(kind="store").inc()
            logger.warning("could not remove leftovers: %s", error, extra={"job": view.key})
        except Exception:
            metrics.FAULTS.labels(kind="store").inc()
            logger.exception("could not remove leftovers in the store", extra={"job": view.key})

    async def things(self, folder: str) -> AsyncIterator[StoredThing]:
        """Yield the open uploads and the objects under ``folder``."""
        bucket = self._settings.archive_bucket
        uploads = self._client.get_paginator("list_multipart_uploads")
        async for page in uploads.paginate(Bucket=bucket, Prefix=folder):
            for item in page.get("Uploads", []):
                if item["Key"].startswith(folder):
                    yield StoredThing(item["Key"], item["Initiated"], item["UploadId"])
        objects = self._client.get_paginator("list_objects_v2")
        async for page in objects.paginate(Bucket=bucket, Prefix=folder):
            for item in page.get("Contents", []):
                yield StoredThing(item["Key"], item["LastModified"])

    async def remove_thing(self, thing: StoredThing) -> None:
        """Remove one object or abort one upload. Raises ValueError outside the archive prefix."""
        if not thing.key.startswith(self._settings.archive_prefix):
            raise ValueError(f"{thing.key} is not under the archive prefix")
        bucket = self._settings.archive_bucket
        if thing.upload_id is None:
            await self._client.delete_object(Bucket=bucket, Key=thing.key)
        else:
            await self._client.abort_multipart_upload(
                Bucket=bucket, Key=thing.key, UploadId=thing.upload_id
            )

    async def old_things(self, age_seconds: float) -> AsyncIterator[tuple[StoredThing, Owner]]:
        """Yield everything of Wherry's that has not changed for ``age_seconds``."""
        edge = clock.now() - timedelta(seconds=age_seconds)
        async for thing in self.things(self._settings.archive_prefix):
            owner = owner_of(thing.key, self._settings.archive_prefix)
            if owner is not None and thing.changed <= edge:
                yield thing, owner
