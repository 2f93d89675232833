"""Fetching an archive: through the redirect, in as many pieces as the network makes of it."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from wherry_client.api_requests import ApiRequests, describe, job_path
from wherry_client.content_disposition import proposed_name
from wherry_client.download_plan import (
    FROM_THE_BEGINNING,
    PartRecord,
    Start,
    Step,
    StoreAnswer,
    Verdict,
    judge,
    start_at,
)
from wherry_client.errors import DownloadError, UnexpectedAnswerError, UnreachableError
from wherry_client.part_file import PartFile, closing_part
from wherry_client.pauses import backoff

BUFFER_BYTES: Final = 1_048_576
FIRST_BYTE: Final = (("Range", "bytes=0-0"),)

OnBytes = Callable[[int, int | None], None]
"""Is told how many bytes are there, and how many there will be, if that is known."""


@dataclass(frozen=True)
class DownloadOptions:
    """How patient a download is."""

    tries: int = 8
    """Failures in a row without one new byte that end it with an exception."""


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
        """Fetch the archive to ``path`` and return it; in a folder it gets the server's name.

        Raises FileExistsError, FileNotFoundError, WherryError, and OSError when the disk refuses.
        """
        folder = await asyncio.to_thread(path.is_dir)
        if not folder and not await asyncio.to_thread(path.parent.is_dir):
            raise FileNotFoundError(f"There is no folder {path.parent}.")
        target = path / await self._proposed_name() if folder else path
        if not overwrite and await asyncio.to_thread(target.exists):
            raise FileExistsError(f"{target} exists already.")
        self._size = await self._promised_size()
        with closing_part(target) as part:
            written = await asyncio.to_thread(part.open)
            await self._fill(part, written)
            await asyncio.to_thread(part.finish, overwrite=overwrite)
        return target

    async def _promised_size(self) -> int | None:
        status = await self._requests.document("GET", job_path(self._job_id, "status"))
        size = status.get("size") if isinstance(status, dict) else None
        return size if type(size) is int else None

    async def _fill(self, part: PartFile, written: int) -> None:
        record = await asyncio.to_thread(part.read_record)
        start = start_at(written, record, self._job_id)
        while True:
            async with AsyncExitStack() as stack:
                response, verdict = await self._ask(stack, start, record)
                if verdict.step is Step.DONE:
                    self._check_size(start.offset, verdict.size)
                    return
                if verdict.step is Step.START_OVER:
                    start, record = FROM_THE_BEGINNING, None
                    continue
                self._check_promise(verdict.size)
                record = PartRecord(self._job_id, response.headers.get("etag"), verdict.size)
                await asyncio.to_thread(part.begin_at, verdict.offset, record)
                written = await self._copy(response, part, verdict)
            if verdict.size is None or written >= verdict.size:
                self._check_size(written, verdict.size)
                return
            start = start_at(written, record, self._job_id)

    async def _copy(self, response: httpx.Response, part: PartFile, verdict: Verdict) -> int:
        """Write the body until it ends or breaks; return how many bytes are there.

        A break after new bytes costs nothing; one without is counted, and waited after. Raises
        UnreachableError when nothing new comes any more.
        """
        written = verdict.offset
        buffer = bytearray()
        broken: httpx.RequestError | None = None
        self._on_bytes(written, verdict.size)
        try:
            async for chunk in response.aiter_raw():
                buffer += chunk
                if len(buffer) >= BUFFER_BYTES:
                    # Taken out first: a cancel while it is written must not write it twice.
                    block, buffer = bytes(buffer), bytearray()
                    await _write(part, block)
                    written += len(block)
                self._on_bytes(written + len(buffer), verdict.size)
        except httpx.RequestError as error:
            broken = error
        except OSError:
            buffer.clear()
            raise
        finally:
            # What has arrived is kept, at Ctrl-C too, for the next try to go on from there.
            await _write(part, bytes(buffer))
            written += len(buffer)
        if written > verdict.offset:
            self._failures = 0
        elif verdict.size != written:
            await self._pause(response.url.netloc.decode(), broken)
        if broken is not None and verdict.size is None:
            # Without a size nothing tells the end from a break: only a whole body counts.
            await self._pause(response.url.netloc.decode(), broken)
            raise UnreachableError(f"The archive broke off: {describe(broken)}. Try again.")
        return written

    async def _ask(
        self, stack: AsyncExitStack, start: Start, record: PartRecord | None
    ) -> tuple[httpx.Response, Verdict]:
        """Ask the store until its answer is of use, with a fresh URL whenever one is refused."""
        refused = False
        while True:
            url = await self._signed_url(fresh=refused)
            headers = dict(start.headers) | {"Accept-Encoding": "identity"}
            request = self._store.build_request("GET", url, headers=headers)
            try:
                response = await self._store.send(request, stream=True)
            except httpx.RequestError as error:
                await self._pause(request.url.netloc.decode(), error)
                continue
            verdict = judge(start, record, _head_of(response))
            if verdict.step in {Step.WRITE, Step.DONE, Step.START_OVER}:
                stack.push_async_callback(response.aclose)
                return response, verdict
            await response.aclose()
            refusal = f"it answered {response.status_code}"
            if verdict.step is Step.GIVE_UP:
                raise DownloadError(f"The store does not give the archive out: {refusal}.")
            if verdict.step is Step.FRESH_URL and not refused:
                # The URL was too old, which is no failure; a fresh one that is refused too is.
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
            response, _ = await self._ask(stack, Start(0, FIRST_BYTE), None)
            name = proposed_name(response.headers.get("content-disposition"))
        return name or f"download-{self._job_id[:8]}.zip"

    async def _pause(self, host: str, why: httpx.RequestError | str | None) -> None:
        """Wait before the next try. Raises UnreachableError after too many in a row."""
        self._failures += 1
        if self._failures >= self._tries:
            words = describe(why) if isinstance(why, httpx.RequestError) else why
            raise UnreachableError(
                f"{host} does not give the archive out: {words or 'nothing comes'}."
            )
        await asyncio.sleep(backoff(self._failures, random.random()))  # noqa: S311

    def _check_promise(self, size: int | None) -> None:
        if size is not None and self._size is not None and size != self._size:
            raise DownloadError(
                f"The job's archive has {self._size} bytes, and the store offers {size}: "
                "something between here and there changes it."
            )

    def _check_size(self, written: int, size: int | None) -> None:
        expected = self._size if self._size is not None else size
        if expected is not None and written != expected:
            raise DownloadError(f"{written} bytes arrived, and the archive has {expected}.")


async def _write(part: PartFile, data: bytes) -> None:
    """Append ``data`` to the part, also when the task is cancelled meanwhile.

    A thread that writes cannot be stopped: whatever is written next must come after it.
    """
    writing = asyncio.ensure_future(asyncio.to_thread(part.write, data))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise


def _head_of(response: httpx.Response) -> StoreAnswer:
    length = response.headers.get("content-length", "")
    return StoreAnswer(
        status=response.status_code,
        etag=response.headers.get("etag"),
        content_range=response.headers.get("content-range"),
        content_length=int(length) if length.isascii() and length.isdigit() else None,
    )
