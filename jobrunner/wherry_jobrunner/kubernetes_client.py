"""The runner's requests to the API server: read a job, patch its status."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from wherry_core.kubernetes import metrics as kubernetes_metrics
from wherry_core.resources import DOWNLOAD_JOBS, GROUP, VERSION, DownloadJob
from wherry_jobrunner.api_endpoint import Endpoint

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
READ_PATIENCE_SECONDS: Final = 20.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
LONGEST_RETRY_AFTER_SECONDS: Final = 30.0

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"

Patch = dict[str, Any] | Sequence[dict[str, Any]]


class ApiServerError(Exception):
    """A request that did not succeed."""


class NotFoundError(ApiServerError):
    """The job does not exist (404)."""


class ConflictError(ApiServerError):
    """Somebody else changed the job first (409)."""


class RefusedError(ApiServerError):
    """The patch does not fit the job: a failed ``test``, or an invalid status (422)."""


class ForbiddenError(ApiServerError):
    """The runner's service account may not do that, and has not been allowed to meanwhile (403)."""


class UnavailableError(ApiServerError):
    """No useful answer came within the patience of the caller; whether it was done is unknown."""


@dataclass(frozen=True)
class Answer:
    """What one request brought: a status code, or 0 when the connection was lost."""

    status: int
    body: Any
    retry_after_seconds: float = 0.0
    problem: str = ""


def names_the_job(body: Any, name: str) -> bool:
    """Whether a 404 is about the job itself.

    An API server that has just started may not serve the resource yet and answers 404 as well.
    """
    details = body.get("details") if isinstance(body, dict) else None
    return bool(details and details.get("name") == name)


def is_passing(answer: Answer, name: str) -> bool:
    """Whether the same request may succeed later.

    401: the token was rotated. 403: an API server that has just started knows no roles yet.
    """
    if answer.status in {0, 401, 403, 408, 425, 429} or answer.status >= 500:
        return True
    return answer.status == 404 and not names_the_job(answer.body, name)


def error_of(answer: Answer) -> ApiServerError:
    """Return the error for an answer that no repetition changes."""
    message = answer.body.get("message") if isinstance(answer.body, dict) else answer.problem
    kinds = {403: ForbiddenError, 404: NotFoundError, 409: ConflictError, 422: RefusedError}
    return kinds.get(answer.status, ApiServerError)(f"HTTP {answer.status}: {message}")


def pauses() -> Iterator[float]:
    """Yield the seconds to wait before each repetition: exponential, with full jitter."""
    ceiling = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(ceiling / 2, ceiling)  # noqa: S311
        ceiling = min(ceiling * 2, LONGEST_PAUSE_SECONDS)


class ApiServer:
    """A connection to the API server; ``session`` is closed by whoever made it."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self._endpoint = endpoint
        self._session = session

    async def read_job(
        self, namespace: str, name: str, *, patience_seconds: float = READ_PATIENCE_SECONDS
    ) -> DownloadJob:
        """Return a job as it is now. Raises NotFoundError, ForbiddenError, UnavailableError."""
        body = await self._persist("GET", namespace, name, None, patience_seconds)
        return DownloadJob.model_validate(body)

    async def patch_status(
        self, namespace: str, name: str, patch: Patch, *, patience_seconds: float
    ) -> DownloadJob:
        """Patch the status of a job and return the job; a list is a JSON patch.

        With a patience of 0 the request is sent once. Raises NotFoundError, ConflictError,
        RefusedError, ForbiddenError, UnavailableError. A repeated patch may have been done the
        first time.
        """
        body = await self._persist("PATCH", namespace, name, patch, patience_seconds)
        return DownloadJob.model_validate(body)

    async def _persist(
        self, verb: str, namespace: str, name: str, patch: Patch | None, patience_seconds: float
    ) -> Any:
        deadline = time.monotonic() + patience_seconds
        path = _path(namespace, name, patch)
        for pause in pauses():
            answer = await self._once(verb, path, patch)
            kubernetes_metrics.count(verb, path, answer.status)
            if 200 <= answer.status < 300:
                return answer.body
            if answer.status == 401:
                self._endpoint.token.distrust()
            if not is_passing(answer, name):
                raise error_of(answer)
            wait = max(pause, min(answer.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
            if time.monotonic() + wait > deadline:
                if answer.status == 403:
                    raise error_of(answer)
                problem = answer.problem or f"HTTP {answer.status}"
                raise UnavailableError(f"the API server did not answer the {verb}: {problem}")
            await asyncio.sleep(wait)
        raise AssertionError("pauses never end")

    async def _once(self, verb: str, path: str, patch: Patch | None) -> Answer:
        headers = {"Accept": "application/json"}
        data = None
        if patch is not None:
            headers["Content-Type"] = MERGE_PATCH if isinstance(patch, dict) else JSON_PATCH
            data = orjson.dumps(patch)
        try:
            if token := await self._endpoint.token.read():
                headers["Authorization"] = f"Bearer {token}"
            async with self._session.request(
                verb,
                self._endpoint.url + path,
                data=data,
                headers=headers,
                ssl=self._endpoint.tls if self._endpoint.tls is not None else True,
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as response:
                return _answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Answer(0, None, problem=type(error).__name__)


def _path(namespace: str, name: str, patch: Patch | None) -> str:
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}"
    path += f"/{DOWNLOAD_JOBS}/{quote(name, safe='')}"
    return path if patch is None else f"{path}/status"


def _answer(status: int, headers: Any, text: bytes) -> Answer:
    try:
        body = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        body = None
    if 200 <= status < 300 and not isinstance(body, dict):
        # A proxy's page, or a body cut short: it says nothing of the job.
        return Answer(0, None, problem="an answer that is no JSON object")
    after = headers.get("Retry-After", "")
    return Answer(status, body, float(after) if after.isdigit() else 0.0)
