"""Watch a job until it ends: read its event stream, and poll while no stream gets through."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from wherry_client import job_events
from wherry_client.api_requests import ApiRequests, is_transient, job_path, retry_after_of
from wherry_client.backoff import poll_interval, retry_delay
from wherry_client.errors import UnexpectedAnswerError, UnreachableError, WherryError
from wherry_client.event_stream import EventStreamParser, EventTooLargeError
from wherry_client.models import JobStatus

EVENT_STREAM: Final = "text/event-stream"
LONGEST_RETRY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class WatchOptions:
    """Timeouts and limits of a watch; all times are in seconds."""

    poll_after: float = 5.0
    """Without a stream for this long, the watch polls the status."""
    silence: float = 75.0
    """A stream without a byte for this long is closed; the server sends a heartbeat every 30 s."""
    first_event: float = 30.0
    """A stream without a first event for this long is closed: the server sends it at once, but a
    proxy that buffers may hold it back forever."""
    patience: float = 300.0
    """A server that is unreachable for this long ends the watch with an exception."""
    first_tries: int = 3
    """Failures in a row that end the watch when the server was never reached."""


DEFAULTS: Final = WatchOptions()


def is_exhausted(
    options: WatchOptions, *, reached: bool, failures: int, silent_seconds: float
) -> bool:
    """Return whether to end a watch ``silent_seconds`` after the server's last answer."""
    return silent_seconds > options.patience or (not reached and failures >= options.first_tries)


class Watch:
    """One watch: a task that reads the stream, and one that polls while there is no stream.

    Both put each status into one slot, and the consumer takes the newest one: a slow consumer
    skips progress, but never the last status.
    """

    def __init__(
        self, requests: ApiRequests, job_id: str, options: WatchOptions = DEFAULTS
    ) -> None:
        self._requests = requests
        self._job_id = job_id
        self._status_path = job_path(job_id, "status")
        self._stream_path = job_path(job_id, "stream")
        self._options = options
        self._status: JobStatus | None = None
        self._error: BaseException | None = None
        self._updated = asyncio.Event()
        self._stream_down = asyncio.Event()
        self._stream_down.set()
        self._stream_lost_at = self._last_answer_at = time.monotonic()
        self._reached = False
        self._failures = 0
        self._last_event_id = ""
        self._retry_seconds: float | None = None

    async def statuses(self) -> AsyncGenerator[JobStatus, None]:
        """Yield the job's status whenever it changes, until the job has ended."""
        tasks = [self._start(self._read_streams()), self._start(self._poll())]
        shown: JobStatus | None = None
        try:
            while True:
                await self._updated.wait()
                self._updated.clear()
                status = self._status
                if status is not None and job_events.has_changed(status, shown):
                    shown = status
                    yield status
                if shown is not None and shown.ended:
                    return
                if self._error is not None:
                    raise self._error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()
            self._updated.set()

    def _publish(self, status: JobStatus) -> None:
        if self._status is None or not self._status.ended:
            self._status = status
            self._updated.set()

    def _record_answer(self) -> None:
        self._last_answer_at = time.monotonic()
        self._reached = True
        self._failures = 0

    def _record_failure(self, error: Exception) -> None:
        """Count a transient failure. Raises it when it is permanent or lasts too long."""
        self._failures += 1
        silent_seconds = time.monotonic() - self._last_answer_at
        if not is_transient(error) or is_exhausted(
            self._options,
            reached=self._reached,
            failures=self._failures,
            silent_seconds=silent_seconds,
        ):
            raise error

    async def _read_status(self) -> JobStatus:
        answer = await self._requests.document("GET", self._status_path, tries=1)
        status = JobStatus.parse(answer)
        self._record_answer()
        return status

    # The stream

    async def _read_streams(self) -> None:
        failures = 0
        while not (self._status and self._status.ended):
            retry_after = None
            try:
                ended_by_server = await self._read_stream()
            except WherryError as error:
                self._record_failure(error)
                ended_by_server, retry_after = False, retry_after_of(error)
            if not self._stream_down.is_set():
                # The stream had delivered events, so a new one may be opened at once.
                failures = 0
                self._stream_lost_at = time.monotonic()
                self._stream_down.set()
            failures = 0 if ended_by_server else failures + 1
            retry = min(self._retry_seconds or 0.0, LONGEST_RETRY_SECONDS)
            pause = retry_delay(failures, random.random(), retry_after)  # noqa: S311
            await asyncio.sleep(max(pause, retry))

    async def _read_stream(self) -> bool:
        """Read one stream; return True when it delivered events and the server ended it.

        Raises WherryError when it could not be opened, broke off or fell silent.
        """
        headers = {"Accept": EVENT_STREAM, "Cache-Control": "no-store"}
        if self._last_event_id:
            headers["Last-Event-ID"] = self._last_event_id
        options = self._options
        try:
            async with (
                asyncio.timeout(options.first_event) as deadline,
                self._requests.open_stream(
                    self._stream_path, headers, options.silence + 10
                ) as response,
            ):
                if response.status_code == httpx.codes.NO_CONTENT:
                    # This client has received the last event before; the status still has it.
                    self._publish(await self._read_status())
                    return False
                if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                    # A proxy answered; polling finds out whether the job exists.
                    return False
                await self._read_events(response, deadline)
                return not self._stream_down.is_set()
        except TimeoutError:
            raise UnreachableError("The event stream of the job is silent.") from None

    async def _read_events(self, response: httpx.Response, deadline: asyncio.Timeout) -> None:
        parser = EventStreamParser(self._last_event_id)
        loop = asyncio.get_running_loop()
        try:
            async for chunk in response.aiter_bytes():
                deadline.reschedule(loop.time() + self._options.silence)
                for event in parser.feed(chunk):
                    self._record_answer()
                    self._stream_down.clear()
                    if job_events.is_ambiguous(self._status, event):
                        with suppress(WherryError):
                            self._publish(await self._read_status())
                            continue
                    status = job_events.apply(self._status, event, datetime.now(UTC))
                    if status is not None and status.ended and event.name != "connected":
                        status = await self._full_status(status)
                    if status is not None:
                        self._publish(status)
                    if status is not None and status.ended:
                        return
                self._last_event_id = parser.last_event_id
                self._retry_seconds = parser.retry_seconds
        except EventTooLargeError:
            raise UnexpectedAnswerError(
                "The event stream is not one of Wherry's API: an event is too large. Check the URL."
            ) from None

    async def _full_status(self, from_event: JobStatus) -> JobStatus:
        """Return the status document, which has more than the last event, or ``from_event``."""
        with suppress(WherryError):
            status = await self._read_status()
            if status.ended:
                return status
        return from_event

    # Polling

    async def _poll(self) -> None:
        unchanged = 0
        while not (self._status and self._status.ended):
            await self._stream_down.wait()
            down_seconds = time.monotonic() - self._stream_lost_at
            if down_seconds < self._options.poll_after:
                await asyncio.sleep(self._options.poll_after - down_seconds)
                continue
            retry_after = None
            try:
                status = await self._read_status()
            except WherryError as error:
                self._record_failure(error)
                retry_after = retry_after_of(error)
            else:
                changed = job_events.has_changed(status, self._status)
                unchanged = 0 if changed else unchanged + 1
                # A stream that opened meanwhile has reported something newer than this answer.
                if self._stream_down.is_set():
                    self._publish(status)
            await asyncio.sleep(max(poll_interval(unchanged), retry_after or 0.0))
