"""The asynchronous client: one method for each operation of the API."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import httpx

from wherry_client.api_requests import PREFIX, TRIES, ApiRequests, base_url, header_value, job_path
from wherry_client.download import Download, OnBytes
from wherry_client.models import Job, JobDetails, JobPage, JobState, JobStatus
from wherry_client.watch import DEFAULTS, Watch, WatchOptions

FileId = int | str
PAGE_JOBS: Final = 100
OnMissing = Literal["Fail", "Manifest"]


def user_agent() -> str:
    """Return the User-Agent of this client."""
    try:
        return f"wherry-client/{version('wherry-client')}"
    except PackageNotFoundError:
        return "wherry-client"


class WherryClient:
    """Submits jobs, watches them and downloads archives. Use it in ``async with``, or close it.

    Every method raises a subclass of :class:`wherry_client.WherryError` when it fails. Requests
    are retried when the server does not answer or is busy. That is safe because all of them are
    idempotent: ``submit`` always sends an idempotency key.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        tenant: str | None = None,
        tries: int = TRIES,
        verify: bool | str = True,
    ) -> None:
        """Create a client; nothing is sent yet.

        ``token`` is a Kubernetes or OIDC token, or an API key. ``tenant`` selects the namespace
        for a token that is valid for several. ``tries`` is how often a request is sent before its
        failure is raised. ``verify`` may be the path of a file with certificate authorities.
        Raises BadArgumentError for a URL, token or tenant that cannot be valid.
        """
        headers = {"User-Agent": user_agent(), "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {header_value('token', token)}"
        if tenant:
            headers["Wherry-Tenant"] = header_value("tenant", tenant)
        checked: Any = verify
        self._http = httpx.AsyncClient(
            base_url=base_url(url),
            headers=headers,
            timeout=httpx.Timeout(30.0, connect=10.0, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            verify=checked,
        )
        # The store is another party and must not get the token; the signed URL is sufficient.
        self._store = httpx.AsyncClient(
            headers={"User-Agent": user_agent()},
            timeout=httpx.Timeout(30.0, connect=10.0, pool=None),
            follow_redirects=True,
            verify=checked,
        )
        self._requests = ApiRequests(self._http, tries=tries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        await self._store.aclose()

    async def submit(
        self,
        file_ids: Iterable[FileId],
        *,
        archive_name: str | None = None,
        on_missing: OnMissing | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Create a job that bundles the files, and return it.

        A repeated request with the same ``idempotency_key`` returns the same job. With
        ``on_missing="Manifest"`` a missing file is skipped and listed in the archive's manifest;
        by default it fails the job. Raises InvalidRequestError, TooManyFilesError, KeyReusedError.
        """
        body: dict[str, Any] = {"file_ids": list(file_ids)}
        if archive_name is not None:
            body["archiveName"] = archive_name
        if on_missing is not None:
            body["onMissing"] = on_missing
        key = header_value("idempotency key", idempotency_key or str(uuid.uuid4()))
        headers = {"Idempotency-Key": key}
        path = f"{PREFIX}/initiate"
        return Job.parse(await self._requests.document("POST", path, body=body, headers=headers))

    async def status(self, job_id: str) -> JobStatus:
        """Return the status of a job. Raises JobNotFoundError, JobExpiredError."""
        path = job_path(job_id, "status")
        return JobStatus.parse(await self._requests.document("GET", path))

    async def details(self, job_id: str) -> JobDetails:
        """Return a job's attempts, archive name and more. Raises JobNotFoundError.

        The server reads them from the cluster: use :meth:`status` or :meth:`watch` for polling.
        """
        path = job_path(job_id, after="details")
        return JobDetails.parse(await self._requests.document("GET", path))

    def watch(
        self, job_id: str, options: WatchOptions = DEFAULTS
    ) -> AsyncGenerator[JobStatus, None]:
        """Yield the status of a job whenever it changes; the last one has ``ended`` set.

        Reads the job's event stream, reconnects when it breaks, and polls while no stream gets
        through. Raises JobNotFoundError, JobExpiredError, and UnreachableError when the server is
        unavailable for longer than ``options.patience``. To leave early, wrap it in
        ``contextlib.aclosing``, which closes its connections at once.
        """
        return Watch(self._requests, job_id, options).statuses()

    async def cancel(self, job_id: str) -> None:
        """Cancel a job; a job that has ended stays unchanged. Raises JobNotFoundError."""
        await self._requests.send("DELETE", job_path(job_id))

    async def retry(self, job_id: str) -> Job:
        """Create a new job from a failed or cancelled one; a repeated call returns the same job.

        Raises JobNotFoundError, JobNotEndedError.
        """
        path = job_path(job_id, after="retry")
        return Job.parse(await self._requests.document("POST", path))

    async def download(
        self,
        job_id: str,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Download the archive of a completed job to ``path`` and return the file's path.

        If ``path`` is a folder, the file in it gets the name that the server proposes. An
        incomplete download stays in ``<path>.part``, and the next call resumes it. ``on_bytes`` is
        called with the bytes so far and the size. Raises JobNotReadyError, JobFailedError,
        JobExpiredError, DownloadError, FileExistsError, FileNotFoundError when there is no such
        folder, and OSError when the disk refuses.
        """
        download = Download(self._requests, self._store, job_id, on_bytes=on_bytes)
        return await download.run(Path(path), overwrite=overwrite)

    async def page(
        self,
        *,
        state: JobState | str | None = None,
        dead_letters: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """Return one page of the tenant's jobs. Raises CursorExpiredError."""
        query: dict[str, str] = {}
        if state is not None:
            query["status"] = str(state)
        if dead_letters is not None:
            query["deadLetter"] = str(dead_letters).lower()
        if limit is not None:
            query["limit"] = str(limit)
        if cursor is not None:
            query["cursor"] = cursor
        return JobPage.parse(await self._requests.document("GET", PREFIX, query=query))

    async def list(
        self, *, state: JobState | str | None = None, dead_letters: bool | None = None
    ) -> AsyncIterator[JobStatus]:
        """Yield the tenant's jobs, optionally only those in one state or the dead letters."""
        cursor = None
        while True:
            page = await self.page(
                state=state, dead_letters=dead_letters, limit=PAGE_JOBS, cursor=cursor
            )
            for status in page.jobs:
                yield status
            cursor = page.next_cursor
            if cursor is None:
                return
