"""Following a job to its end: by its stream, by polling where no stream gets through."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from wherry_client import progress_events
from wherry_client.api_requests import (
    ApiRequests,
    job_path,
    may_be_sent_again,
    pause_asked_for,
)
from wherry_client.errors import UnexpectedAnswerError, UnreachableError, WherryError
from wherry_client.event_stream import EventStreamParser, EventTooLargeError
from wherry_client.models import JobStatus
from wherry_client.pauses import before_next_try, between_polls

EVENT_STREAM: Final = "text/event-stream"
LONGEST_RETRY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class WatchOptions:
    """How patient a watch is; all times in seconds."""

    poll_after: float = 5.0
    """Without a stream for so long, the status is polled meanwhile."""
    silence: float = 75.0
    """A stream that brings nothing for so long is given up; the server sends heartbeats every
    30 s."""
    first_event: float = 30.0
    """How long a stream may take to its first event, which the server sends at once; a proxy that
    buffers makes it wait for ever."""
    patience: float = 300.0
    """The server may be out of reach for so long before the watch ends with an exception."""
    first_tries: int = 3
    """Failures in a row that end the watch when the server was never reached at all."""


DEFAULTS: Final = WatchOptions()


def gives_up(options: WatchOptions, *, reached: bool, failures: int, unheard: float) -> bool:
    """Whether to end a watch that hears nothing, ``unheard`` seconds after the last answer."""
    return unheard > options.patience or (not reached and failures >= options.first_tries)


class Watch:
    """One watch: a task that reads the stream, one that polls while there is no stream.

    Both put what they learn in one slot, from which the follower takes the newest: who follows
    slowly skips progress and never misses the end.
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
        self._failure: BaseException | None = None
        self._news = asyncio.Event()
        self._no_stream = asyncio.Event()
        self._no_stream.set()
        self._stream_lost_at = self._heard_at = time.monotonic()
        self._reached = False
        self._failures = 0
        self._last_event_id = ""
        self._retry_seconds: float | None = None

    async def statuses(self) -> AsyncGenerator[JobStatus, None]:
        """Yield how the job stands whenever that changes, until it has ended."""
        tasks = [self._start(self._follow_stream()), self._start(self._poll())]
        shown: JobStatus | None = None
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                status = self._status
                if status is not None and progress_events.tells_more(status, shown):
                    shown = status
                    yield status
                if shown is not None and shown.ended:
                    return
                if self._failure is not None:
                    raise self._failure
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._news.set()

    def _offer(self, status: JobStatus) -> None:
        if self._status is None or not self._status.ended:
            self._status = status
            self._news.set()

    def _heard(self) -> None:
        self._heard_at = time.monotonic()
        self._reached = True
        self._failures = 0

    def _note(self, error: Exception) -> None:
        """Count a failure that may pass. Raises it when it will not, or has lasted too long."""
        self._failures += 1
        unheard = time.monotonic() - self._heard_at
        if not may_be_sent_again(error) or gives_up(
            self._options, reached=self._reached, failures=self._failures, unheard=unheard
        ):
            raise error

    async def _read_status(self) -> JobStatus:
        answer = await self._requests.document("GET", self._status_path, tries=1)
        status = JobStatus.parse(answer)
        self._heard()
        return status

    # The stream

    async def _follow_stream(self) -> None:
        failures = 0
        while not (self._status and self._status.ended):
            asked_for = None
            try:
                in_order = await self._read_stream()
            except WherryError as error:
                self._note(error)
                in_order, asked_for = False, pause_asked_for(error)
            if not self._no_stream.is_set():
                # There were events: whatever ended the stream, the next one may come at once.
                failures = 0
                self._stream_lost_at = time.monotonic()
                self._no_stream.set()
            failures = 0 if in_order else failures + 1
            retry = min(self._retry_seconds or 0.0, LONGEST_RETRY_SECONDS)
            pause = before_next_try(failures, random.random(), asked_for)  # noqa: S311
            await asyncio.sleep(max(pause, retry))

    async def _read_stream(self) -> bool:
        """Read one stream; True when the server ended it in order.

        Raises WherryError when it could not be opened, broke or fell silent.
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
                    # The server has shown us the end before: the status has it still.
                    self._offer(await self._read_status())
                    return False
                if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                    # Something in between answers; polling finds out whether it knows the job.
                    return False
                await self._read_events(response, deadline)
                return not self._no_stream.is_set()
        except TimeoutError:
            raise UnreachableError("The stream of the job brings nothing.") from None

    async def _read_events(self, response: httpx.Response, deadline: asyncio.Timeout) -> None:
        parser = EventStreamParser(self._last_event_id)
        loop = asyncio.get_running_loop()
        try:
            async for chunk in response.aiter_bytes():
                deadline.reschedule(loop.time() + self._options.silence)
                for event in parser.feed(chunk):
                    self._heard()
                    self._no_stream.clear()
                    if progress_events.leaves_open(self._status, event):
                        with suppress(WherryError):
                            self._offer(await self._read_status())
                            continue
                    status = progress_events.apply(self._status, event, datetime.now(UTC))
                    if status is not None and status.ended and event.name != "connected":
                        status = await self._full_status(status)
                    if status is not None:
                        self._offer(status)
                    if status is not None and status.ended:
                        return
                self._last_event_id = parser.last_event_id
                self._retry_seconds = parser.retry_seconds
        except EventTooLargeError:
            raise UnexpectedAnswerError(
                "The stream is not one of Wherry's API: an event does not end. Check the URL."
            ) from None

    async def _full_status(self, told: JobStatus) -> JobStatus:
        """Return the status with all that the last event leaves out, or ``told`` itself."""
        with suppress(WherryError):
            status = await self._read_status()
            if status.ended:
                return status
        return told

    # Polling

    async def _poll(self) -> None:
        unchanged = 0
        while not (self._status and self._status.ended):
            await self._no_stream.wait()
            missing = time.monotonic() - self._stream_lost_at
            if missing < self._options.poll_after:
                await asyncio.sleep(self._options.poll_after - missing)
                continue
            asked_for = None
            try:
                status = await self._read_status()
            except WherryError as error:
                self._note(error)
                asked_for = pause_asked_for(error)
            else:
                news = progress_events.tells_more(status, self._status)
                unchanged = 0 if news else unchanged + 1
                # A stream that opened meanwhile has told of something newer than this answer.
                if self._no_stream.is_set():
                    self._offer(status)
            await asyncio.sleep(max(between_polls(unchanged), asked_for or 0.0))
