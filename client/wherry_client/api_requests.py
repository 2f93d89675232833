"""Requests to the API: sent again where that is safe and useful, refusals raised as exceptions."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

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
from wherry_client.pauses import before_next_try

PREFIX: Final = "v1/download"
TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 30.0
"""When the server asks for a longer pause, the caller decides instead."""
JOB_ID: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.-]{0,251}[0-9A-Za-z])?")


def base_url(url: str) -> str:
    """Return ``url`` as a base for paths. Raises BadArgumentError that says what to change."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadArgumentError(f"The URL {url!r} cannot be used: {error}.") from None
    if parts.scheme not in {"http", "https"} or not parts.host:
        raise BadArgumentError(
            f"The URL {url!r} must start with http:// or https:// and name a host."
        )
    if parts.query or parts.fragment:
        raise BadArgumentError(f"The URL {url!r} must end with the path: no ? and no #.")
    return url.rstrip("/") + "/"


def header_value(what: str, text: str) -> str:
    """Return ``text``, which a header can carry. Raises BadArgumentError, without the text."""
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise BadArgumentError(
            f"The {what} holds a line break, a space at an end or a character that is not ASCII: "
            f"no {what} does."
        )
    return text


def job_path(job_id: str, *before: str, after: str = "") -> str:
    """Return the path of a route of one job. Raises BadArgumentError when it can be no job id."""
    if not JOB_ID.fullmatch(job_id):
        raise BadArgumentError(
            f"{job_id[:80]!r} is not a job id: it is what submit answers, like "
            "0c5b1a44-9f0e-4a87-bd0c-6c9f8c9f4e11."
        )
    return "/".join(part for part in (PREFIX, *before, job_id, after) if part)


def may_be_sent_again(error: Exception) -> bool:
    """Whether the same request may succeed a little later."""
    return isinstance(error, UnreachableError | UnavailableError | RateLimitedError)


def pause_asked_for(error: Exception) -> float | None:
    """Return the seconds after which the server wants to be asked again, if it said so."""
    return error.problem.retry_after if isinstance(error, ProblemError) else None


def describe(error: httpx.RequestError) -> str:
    """Return why a request failed, in words; httpx leaves some of its exceptions without any."""
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
        """Send a request that may be repeated; return the answer, if it is none of refusal.

        ``redirects`` says whether a redirect is among the answers that are expected. Raises
        ProblemError, UnreachableError or UnexpectedAnswerError, the first two after ``tries``.
        """
        failures = 0
        while True:
            try:
                response = await self._send_once(method, path, body, query, headers)
                self._check(response, redirects=redirects)
                return response
            except (UnreachableError, UnavailableError, RateLimitedError) as error:
                failures += 1
                asked_for = pause_asked_for(error)
                if failures >= (tries or self._tries) or (asked_for or 0) > LONGEST_PAUSE_SECONDS:
                    raise
            await asyncio.sleep(before_next_try(failures, random.random(), asked_for))  # noqa: S311

    async def document(self, method: str, path: str, **how: Any) -> Any:
        """Send a request as :meth:`send` does and return the JSON document of the answer."""
        response = await self.send(method, path, **how)
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
        """Open an answer to be read bit by bit, once. Raises as :meth:`send` does."""
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
            where = response.headers["location"].partition("?")[0].partition(PREFIX)[0]
            raise UnexpectedAnswerError(
                f"{self._host} redirects to {where}, as Wherry's API does not. "
                "If that is where Wherry is, give it as the URL."
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
