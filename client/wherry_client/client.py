"""The client: everything that the API can do, as methods."""

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
from wherry_client.models import Job, JobPage, JobState, JobStatus
from wherry_client.watch import DEFAULTS, Watch, WatchOptions

FileId = int | str
PAGE_JOBS: Final = 100
OnMissing = Literal["Fail", "Manifest"]


def user_agent() -> str:
    """Return how this client names itself to servers."""
    try:
        return f"wherry-client/{version('wherry-client')}"
    except PackageNotFoundError:
        return "wherry-client"


class WherryClient:
    """Asks for files, follows jobs and fetches archives. Use it in ``async with``, or close it.

    Every method raises a subclass of :class:`wherry_client.WherryError` when it cannot do its
    work. Requests are sent again when the server does not answer or is busy: all of them can be
    repeated without harm, ``submit`` included, for it always carries an idempotency key.
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
        """Prepare a client; nothing is sent yet.

        ``token`` is a Kubernetes or OIDC token, or an API key; ``tenant`` the namespace that is
        meant, for tokens that are good for several. ``verify`` may be the path of a file of
        certificate authorities. Raises BadArgumentError when one of them cannot be one.
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
        # The store gets no token: a signed URL is all that it wants, and it is another party.
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
        """Ask for files; return the job that bundles them.

        The same ``idempotency_key`` with the same request is the same job, however often it is
        sent. With ``on_missing="Manifest"`` a missing file is skipped and listed in the archive's
        manifest; else it fails the job. Raises InvalidRequestError, TooManyFilesError,
        KeyReusedError.
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
        """Return how a job stands. Raises JobNotFoundError, JobExpiredError."""
        path = job_path(job_id, "status")
        return JobStatus.parse(await self._requests.document("GET", path))

    def watch(
        self, job_id: str, options: WatchOptions = DEFAULTS
    ) -> AsyncGenerator[JobStatus, None]:
        """Yield how a job stands whenever that changes; the last one has ``ended``.

        Follows the stream, comes back to it when it breaks, and polls while no stream gets
        through. Raises JobNotFoundError, JobExpiredError, and UnreachableError when the server
        stays away for longer than ``options.patience``. Leaving early? Wrap it in
        ``contextlib.aclosing``, so that its connections are closed at once.
        """
        return Watch(self._requests, job_id, options).statuses()

    async def cancel(self, job_id: str) -> None:
        """Ask for the end of a job; one that has ended stays as it is. Raises JobNotFoundError."""
        await self._requests.send("DELETE", job_path(job_id))

    async def retry(self, job_id: str) -> Job:
        """Create a new job from a failed or cancelled one; asked twice, it is the same new job.

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
        """Fetch the archive of a completed job to ``path`` and return where it is.

        If ``path`` is a folder, the file in it gets the name that the server proposes. Until all
        is there the bytes are in ``<path>.part``; the next call goes on from them. Raises
        JobNotReadyError, JobFailedError, JobExpiredError, DownloadError, FileExistsError,
        FileNotFoundError when there is no such folder, and OSError when the disk refuses.
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
        """Yield all of the tenant's jobs, or those in one state or among the dead letters."""
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
