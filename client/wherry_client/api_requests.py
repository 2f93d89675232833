"""Requests to the API: retried where that is safe and useful; refusals raise exceptions."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from wherry_client.backoff import retry_delay
from wherry_client.errors import (
    BadArgumentError,
    ProblemError,
    RateLimitedError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    error_of,
    parse_problem,
)

PREFIX: Final = "v1/download"
TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""A longer Retry-After is not waited for: the error goes to the caller, who decides."""
JOB_ID: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?")


def base_url(url: str) -> str:
    """Return ``url`` as a base for paths. Raises BadArgumentError when it cannot be one."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadArgumentError(f"The URL {url!r} is not valid: {error}.") from None
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise BadArgumentError(
            f"The URL {url!r} must start with http:// or https:// and have a host name."
        )
    if parts.query or parts.fragment:
        raise BadArgumentError(f"The URL {url!r} must end with the path: remove '?' and '#'.")
    return url.rstrip("/") + "/"


def header_value(kind: str, text: str) -> str:
    """Return ``text`` if a header can carry it.

    Raises BadArgumentError, which names the ``kind`` of value but never repeats the text.
    """
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise BadArgumentError(
            f"The {kind} contains a line break, a space at an end, or a character that is not "
            f"ASCII. Check how you copied the {kind}."
        )
    return text


def job_path(job_id: str, *before: str, after: str = "") -> str:
    """Return the path of a route of one job. Raises BadArgumentError for an impossible id."""
    if not JOB_ID.fullmatch(job_id):
        raise BadArgumentError(
            f"{job_id[:80]!r} is not a job id. Use the id that submit returned, like "
            "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11."
        )
    return "/".join(part for part in (PREFIX, *before, job_id, after) if part)


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later."""
    return isinstance(error, UnreachableError | UnavailableError | RateLimitedError)


def retry_after_of(error: Exception) -> float | None:
    """Return the seconds of the server's Retry-After, or None."""
    return error.problem.retry_after if isinstance(error, ProblemError) else None


def describe(error: httpx.RequestError) -> str:
    """Return why a request failed; some of httpx's exceptions have no text."""
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    return str(error) or "the connection broke"


class ApiRequests:
    """The connection to one API, as one caller."""

    def __init__(self, http: httpx.AsyncClient, *, tries: int = TRIES) -> None:
        self._http = http
        self._tries = tries

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tries: int | None = None,
        redirects: bool = False,
    ) -> httpx.Response:
        """Send an idempotent request and return the answer.

        ``redirects`` allows a redirect as an answer. Raises ProblemError, UnreachableError or
        UnexpectedAnswerError; transient errors only after ``tries`` requests.
        """
        failures = 0
        while True:
            try:
                response = await self._send_once(method, path, body, query, headers)
                self._check(response, redirects=redirects)
                return response
            except (UnreachableError, UnavailableError, RateLimitedError) as error:
                failures += 1
                retry_after = retry_after_of(error)
                is_last = failures >= (tries or self._tries)
                if is_last or (retry_after or 0) > LONGEST_PAUSE_SECONDS:
                    raise
            await asyncio.sleep(retry_delay(failures, random.random(), retry_after))  # noqa: S311

    async def document(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request as :meth:`send` does and return the answer's JSON document."""
        response = await self.send(method, path, **arguments)
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("content-type", "no content type")
            raise UnexpectedAnswerError(
                f"{self._host} answered with {kind}, not with JSON as Wherry's API does. "
                "Check the URL."
            ) from None

    @asynccontextmanager
    async def open_stream(
        self, path: str, headers: Mapping[str, str], read_timeout: float
    ) -> AsyncIterator[httpx.Response]:
        """Yield a streamed answer, without a retry. Raises as :meth:`send` does."""
        timeout = httpx.Timeout(10.0, read=read_timeout)
        request = self._http.build_request("GET", path, headers=headers, timeout=timeout)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.RequestError as error:
            raise self._unreachable(error) from error
        try:
            if response.status_code >= 300:
                await response.aread()
                self._check(response, redirects=False)
            yield response
        except httpx.RequestError as error:
            raise self._unreachable(error) from error
        finally:
            await response.aclose()

    async def _send_once(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Response:
        try:
            return await self._http.request(method, path, json=body, params=query, headers=headers)
        except httpx.RequestError as error:
            raise self._unreachable(error) from error

    def _check(self, response: httpx.Response, *, redirects: bool) -> None:
        status = response.status_code
        if response.is_redirect and not redirects:
            target = response.headers["location"].partition("?")[0].partition(PREFIX)[0]
            raise UnexpectedAnswerError(
                f"{self._host} redirects to {target}, as Wherry's API does not. "
                "If Wherry is there, use that URL."
            )
        if status >= 400:
            try:
                document = response.json()
            except ValueError:
                document = None
            problem = parse_problem(status, document, response.headers.get("retry-after"))
            if problem.is_blank and status < 500 and status not in {401, 403, 429}:
                raise UnexpectedAnswerError(
                    f"{self._host} answered {status} in a way that Wherry's API does not. "
                    "Check the URL."
                )
            raise error_of(problem)

    @property
    def _host(self) -> str:
        return self._http.base_url.netloc.decode() or "The server"

    def _unreachable(self, error: httpx.RequestError) -> UnreachableError:
        return UnreachableError(f"{self._host} cannot be reached: {describe(error)}.")
