"""The synchronous client, for scripts."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from wherry_client.client import PAGE_JOBS, FileId, OnMissing, WherryClient
from wherry_client.download import OnBytes
from wherry_client.models import Job, JobDetails, JobPage, JobState, JobStatus
from wherry_client.watch import DEFAULTS, WatchOptions

Value = TypeVar("Value")


class SyncWherryClient:
    """:class:`WherryClient` with blocking methods. Use it in ``with``, in one thread.

    Each method runs an event loop of its own. It therefore fails where a loop already runs, as in
    a coroutine or in most notebooks: use WherryClient there.
    """

    def __init__(self, url: str, *, token: str | None = None, **options: Any) -> None:
        """Create a client; the arguments are those of WherryClient."""
        self._client = WherryClient(url, token=token, **options)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and the event loop."""
        self._run(self._client.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self._runner.run(work)

    def submit(
        self,
        file_ids: Iterable[FileId],
        *,
        archive_name: str | None = None,
        on_missing: OnMissing | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Create a job; see :meth:`WherryClient.submit`."""
        return self._run(
            self._client.submit(
                file_ids,
                archive_name=archive_name,
                on_missing=on_missing,
                idempotency_key=idempotency_key,
            )
        )

    def status(self, job_id: str) -> JobStatus:
        """Return the status of a job; see :meth:`WherryClient.status`."""
        return self._run(self._client.status(job_id))

    def details(self, job_id: str) -> JobDetails:
        """Return a job's attempts and more; see :meth:`WherryClient.details`."""
        return self._run(self._client.details(job_id))

    def watch(self, job_id: str, options: WatchOptions = DEFAULTS) -> Iterator[JobStatus]:
        """Yield the status of a job whenever it changes; see :meth:`WherryClient.watch`."""
        statuses = self._client.watch(job_id, options)

        async def next_status() -> JobStatus | None:
            return await anext(statuses, None)

        try:
            while (status := self._run(next_status())) is not None:
                yield status
        finally:
            self._run(statuses.aclose())

    def wait(self, job_id: str, options: WatchOptions = DEFAULTS) -> JobStatus:
        """Wait until a job has ended; return its last status. See :meth:`WherryClient.watch`."""

        async def last() -> JobStatus:
            async with aclosing(self._client.watch(job_id, options)) as statuses:
                async for status in statuses:
                    if status.ended:
                        return status
            raise RuntimeError("a watch always ends with a status that has ended")

        return self._run(last())

    def cancel(self, job_id: str) -> None:
        """Cancel a job; see :meth:`WherryClient.cancel`."""
        self._run(self._client.cancel(job_id))

    def retry(self, job_id: str) -> Job:
        """Create a new job from a failed or cancelled one; see :meth:`WherryClient.retry`."""
        return self._run(self._client.retry(job_id))

    def page(
        self,
        *,
        state: JobState | str | None = None,
        dead_letters: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """Return one page of the tenant's jobs; see :meth:`WherryClient.page`."""
        return self._run(
            self._client.page(state=state, dead_letters=dead_letters, limit=limit, cursor=cursor)
        )

    def download(
        self,
        job_id: str,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        on_bytes: OnBytes | None = None,
    ) -> Path:
        """Download the archive of a completed job; see :meth:`WherryClient.download`."""
        return self._run(
            self._client.download(job_id, path, overwrite=overwrite, on_bytes=on_bytes)
        )

    def list(
        self, *, state: JobState | str | None = None, dead_letters: bool | None = None
    ) -> Iterator[JobStatus]:
        """Yield the tenant's jobs; see :meth:`WherryClient.list`."""
        cursor = None
        while True:
            page = self._run(
                self._client.page(
                    state=state, dead_letters=dead_letters, limit=PAGE_JOBS, cursor=cursor
                )
            )
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return
