"""Presigns the URL of an archive at the moment of the click."""

import asyncio
import logging
from typing import Any, Final
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.services.snapshots import Snapshots
from wherry_core.archive_keys import is_result_of
from wherry_core.job_snapshot import JobSnapshot, JobStatus, StoredArchive
from wherry_core.settings import LifetimeSettings, StoreSettings

log = logging.getLogger(__name__)

SIGNING_SECONDS: Final = 10.0


def content_disposition(name: str) -> str:
    """Return the Content-Disposition that has a browser save a file as ``name``.

    RFC 6266 with the extended notation of RFC 8187, after a plain form for clients without it.
    """
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    # attr-char of RFC 8187: quote() keeps letters, digits and _.-~ by itself.
    extended = quote(name, safe="!#$&+^`|")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"


def ready_archive(snapshot: JobSnapshot) -> StoredArchive:
    """Return the archive of a completed job; raises ProblemError 409 for any other job."""
    name = snapshot.name
    if snapshot.status is JobStatus.FAILED:
        raise ProblemError(
            problems.JOB_FAILED,
            f"The job {name} has no archive: {snapshot.error or 'it failed.'} Retry the job.",
            jobStatus=snapshot.status,
        )
    if snapshot.status is not JobStatus.COMPLETED or snapshot.archive is None:
        raise ProblemError(
            problems.JOB_NOT_READY,
            f"The archive of the job {name} is not ready: the job is {snapshot.status}, at "
            f"{snapshot.progress} %. Retry in 2 seconds.",
            headers={"Retry-After": "2"},
            jobStatus=snapshot.status,
            progress=snapshot.progress,
        )
    return snapshot.archive


class Presigner:
    """Presigns URLs for the store's public endpoint, without a request to the store."""

    def __init__(
        self, snapshots: Snapshots, signer: Any, store: StoreSettings, lifetimes: LifetimeSettings
    ) -> None:
        self._snapshots = snapshots
        self._signer = signer
        self._store = store
        self._lifetimes = lifetimes

    async def presigned_url(self, tenant: str, name: str) -> str:
        """Return a new URL of the archive. Raises ProblemError 404, 409, 410 or 503.

        Asks Kubernetes each time whether the job exists, and signs nothing but the job's own
        result, because others may write into its status or into Redis.
        """
        snapshot = await self._snapshots.read(tenant, name, confirm=True)
        archive = ready_archive(snapshot)
        if not is_result_of(self._store, tenant, snapshot.uid, archive.bucket, archive.key):
            log.error(
                "refused to sign an object that is not a result of the job: %s in %s",
                archive.key,
                archive.bucket,
                extra={"job": f"{tenant}/{name}"},
            )
            raise ProblemError(
                problems.JOB_FAILED,
                f"The result of the job {name} is not its own. Create the job again.",
            )
        parameters = {
            "Bucket": archive.bucket,
            "Key": archive.key,
            "ResponseContentDisposition": content_disposition(archive.name),
        }
        if archive.name.lower().endswith(".zip"):
            parameters["ResponseContentType"] = "application/zip"
        try:
            # Credentials of a role or a file are fetched here.
            async with asyncio.timeout(SIGNING_SECONDS):
                url = await self._signer.generate_presigned_url(
                    "get_object", Params=parameters, ExpiresIn=self._lifetimes.presigned_url
                )
        except (BotoCoreError, ClientError, OSError, TimeoutError) as error:
            log.error(
                "a URL cannot be presigned: %s: %s",
                type(error).__name__,
                error,
                extra={"job": f"{tenant}/{name}"},
            )
            raise problems.unavailable(
                "The URL cannot be presigned because the API cannot get credentials for the store."
            ) from error
        return str(url)
