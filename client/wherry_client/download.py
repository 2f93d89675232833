"""Download an archive: follow the redirect to the store and resume after every interruption."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from wherry_client.api_requests import ApiRequests, describe, job_path
from wherry_client.backoff import backoff
from wherry_client.content_disposition import proposed_name
from wherry_client.errors import DownloadError, UnexpectedAnswerError, UnreachableError
from wherry_client.part_file import PartFile, closing_part
from wherry_client.resume import (
    FROM_THE_BEGINNING,
    Action,
    Decision,
    PartRecord,
    ResumePoint,
    StoreResponse,
    decide,
    resume_point,
)

BUFFER_BYTES: Final = 1_048_576
FIRST_BYTE: Final = (("Range", "bytes=0-0"),)

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes downloaded so far, and the size of the archive or None if unknown."""


@dataclass(frozen=True)
class DownloadOptions:
    """How patient a download is."""

    tries: int = 8
    """Failures in a row without a new byte after which the download raises."""


class Download:
    """One download of one job's archive to one file."""

    def __init__(
        self,
        requests: ApiRequests,
        store: httpx.AsyncClient,
        job_id: str,
        *,
        on_bytes: OnBytes | None = None,
        options: DownloadOptions | None = None,
    ) -> None:
        self._requests = requests
        self._store = store
        self._job_id = job_id
        self._path = job_path(job_id)
        self._on_bytes = on_bytes or (lambda _done, _size: None)
        self._tries = (options or DownloadOptions()).tries
        self._failures = 0
        self._url: httpx.URL | None = None
        self._size: int | None = None

    async def run(self, path: Path, *, overwrite: bool) -> Path:
        """Download the archive to ``path`` and return its path.

        If ``path`` is a folder, the file gets the name that the server proposes. Raises
        FileExistsError, FileNotFoundError, WherryError, and OSError when the disk refuses.
        """
        is_folder = await asyncio.to_thread(path.is_dir)
        if not is_folder and not await asyncio.to_thread(path.parent.is_dir):
            raise FileNotFoundError(f"There is no folder {path.parent}.")
        target = path / await self._proposed_name() if is_folder else path
        if not overwrite and await asyncio.to_thread(target.exists):
            raise FileExistsError(f"{target} exists already.")
        self._size = await self._reported_size()
        with closing_part(target) as part:
            written = await asyncio.to_thread(part.open)
            await self._fill(part, written)
            await asyncio.to_thread(part.finish, overwrite=overwrite)
        return target

    async def _reported_size(self) -> int | None:
        """Return the size that the job's status reports."""
        status = await self._requests.document("GET", job_path(self._job_id, "status"))
        size = status.get("size") if isinstance(status, dict) else None
        return size if type(size) is int else None

    async def _fill(self, part: PartFile, written: int) -> None:
        record = await asyncio.to_thread(part.read_record)
        point = resume_point(written, record, self._job_id)
        while True:
            async with AsyncExitStack() as stack:
                response, decision = await self._request(stack, point, record)
                if decision.action is Action.DONE:
                    self._check_written(point.offset, decision.size)
                    return
                if decision.action is Action.START_OVER:
                    point, record = FROM_THE_BEGINNING, None
                    continue
                self._check_offered(decision.size)
                record = PartRecord(self._job_id, response.headers.get("etag"), decision.size)
                await asyncio.to_thread(part.begin_at, decision.offset, record)
                written = await self._copy(response, part, decision)
            if decision.size is None or written >= decision.size:
                self._check_written(written, decision.size)
                return
            point = resume_point(written, record, self._job_id)

    async def _copy(self, response: httpx.Response, part: PartFile, decision: Decision) -> int:
        """Write the body until it ends or breaks off; return how many bytes the part has.

        A break after new bytes resets the count of failures; a break without any is counted and
        followed by a pause. Raises UnreachableError after too many of those.
        """
        written = decision.offset
        buffer = bytearray()
        broken: httpx.RequestError | None = None
        self._on_bytes(written, decision.size)
        try:
            async for chunk in response.aiter_raw():
                buffer += chunk
                if len(buffer) >= BUFFER_BYTES:
                    # Emptied before the write: a cancellation during it must not write it twice.
                    block, buffer = bytes(buffer), bytearray()
                    await _write(part, block)
                    written += len(block)
                self._on_bytes(written + len(buffer), decision.size)
        except httpx.RequestError as error:
            broken = error
        except OSError:
            buffer.clear()
            raise
        finally:
            # Keep what has arrived, also after Ctrl-C, so that the next try resumes there.
            await _write(part, bytes(buffer))
            written += len(buffer)
        if written > decision.offset:
            self._failures = 0
        elif decision.size != written:
            await self._pause(response.url.netloc.decode(), broken)
        if broken is not None and decision.size is None:
            # Without a size, an end cannot be distinguished from a break: only a complete body
            # counts.
            await self._pause(response.url.netloc.decode(), broken)
            raise UnreachableError(f"The download broke off: {describe(broken)}. Try again.")
        return written

    async def _request(
        self, stack: AsyncExitStack, point: ResumePoint, record: PartRecord | None
    ) -> tuple[httpx.Response, Decision]:
        """Request the archive until a response can be used; replace a signed URL once refused."""
        refused = False
        while True:
            url = await self._signed_url(fresh=refused)
            headers = dict(point.headers) | {"Accept-Encoding": "identity"}
            request = self._store.build_request("GET", url, headers=headers)
            try:
                response = await self._store.send(request, stream=True)
            except httpx.RequestError as error:
                await self._pause(request.url.netloc.decode(), error)
                continue
            decision = decide(point, record, _store_response(response))
            if decision.action in {Action.WRITE, Action.DONE, Action.START_OVER}:
                stack.push_async_callback(response.aclose)
                return response, decision
            await response.aclose()
            refusal = f"it answered {response.status_code}"
            if decision.action is Action.GIVE_UP:
                raise DownloadError(f"The store refuses the archive: {refusal}.")
            if decision.action is Action.FRESH_URL and not refused:
                # An expired URL is not a failure; a fresh one that is refused as well is.
                refused = True
                continue
            await self._pause(request.url.netloc.decode(), refusal)

    async def _signed_url(self, *, fresh: bool) -> httpx.URL:
        if fresh or self._url is None:
            answer = await self._requests.send("GET", self._path, redirects=True)
            location = answer.headers.get("location")
            if answer.status_code not in {302, 303, 307} or not location:
                raise UnexpectedAnswerError(
                    "The server does not redirect to the archive, as Wherry's API does. "
                    "Check the URL."
                )
            try:
                url = answer.url.join(location)
            except httpx.InvalidURL as error:
                raise UnexpectedAnswerError(
                    f"The server redirects to a URL that cannot be used: {error}."
                ) from None
            if url.scheme not in {"http", "https"}:
                raise UnexpectedAnswerError("The server redirects to something other than HTTP.")
            self._url = url
        return self._url

    async def _proposed_name(self) -> str:
        async with AsyncExitStack() as stack:
            response, _ = await self._request(stack, ResumePoint(0, FIRST_BYTE), None)
            name = proposed_name(response.headers.get("content-disposition"))
        return name or f"download-{self._job_id[:8]}.zip"

    async def _pause(self, host: str, cause: httpx.RequestError | str | None) -> None:
        """Wait before the next try. Raises UnreachableError after too many failures in a row."""
        self._failures += 1
        if self._failures >= self._tries:
            reason = describe(cause) if isinstance(cause, httpx.RequestError) else cause
            raise UnreachableError(
                f"{host} does not deliver the archive: {reason or 'no bytes arrive'}."
            )
        await asyncio.sleep(backoff(self._failures, random.random()))  # noqa: S311

    def _check_offered(self, size: int | None) -> None:
        if size is not None and self._size is not None and size != self._size:
            raise DownloadError(
                f"The job's archive has {self._size} bytes, but the store offers {size}. "
                "A proxy may be changing it on the way."
            )

    def _check_written(self, written: int, size: int | None) -> None:
        expected = self._size if self._size is not None else size
        if expected is not None and written != expected:
            raise DownloadError(f"{written} bytes arrived, but the archive has {expected}.")


async def _write(part: PartFile, data: bytes) -> None:
    """Append ``data`` to the part, also when the task is cancelled during the write.

    A thread that writes cannot be stopped: what is written next must wait for it.
    """
    writing = asyncio.ensure_future(asyncio.to_thread(part.write, data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise


def _store_response(response: httpx.Response) -> StoreResponse:
    length = response.headers.get("content-length", "")
    return StoreResponse(
        status=response.status_code,
        etag=response.headers.get("etag"),
        content_range=response.headers.get("content-range"),
        content_length=int(length) if length.isascii() and length.isdigit() else None,
    )
