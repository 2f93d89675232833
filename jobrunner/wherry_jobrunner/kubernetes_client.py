"""The runner's requests to the API server: read a job and patch its status, with patience.

The requests themselves are those of :mod:`wherry_core.kubernetes`. A runner holds a result that
took minutes to make, so it waits out what passes: an API server that restarts, throttles, or does
not serve the resource or know the roles yet.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from wherry_core.kubernetes.client import KubernetesClient, Patch
from wherry_core.kubernetes.errors import (
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from wherry_core.kubernetes.paths import jobs_path
from wherry_core.kubernetes.server_clock import ServerClock
from wherry_core.resources import DownloadJob

READ_PATIENCE_SECONDS: Final = 20.0
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 5.0
LONGEST_RETRY_AFTER_SECONDS: Final = 30.0


def is_passing(error: KubernetesError, name: str) -> bool:
    """Return whether the same request about the job ``name`` may succeed later.

    401: the credentials were rotated. 403 and 404 without the job's name: an API server that has
    just started knows neither roles nor custom resources yet.
    """
    if isinstance(error, NotFoundError):
        return not error.concerns(name)
    return isinstance(error, UnavailableError | UnauthorizedError | ForbiddenError)


def pauses(longest: float = LONGEST_PAUSE_SECONDS) -> Iterator[float]:
    """Yield the seconds to wait before each repetition: exponential, with jitter."""
    ceiling = FIRST_PAUSE_SECONDS
    while True:
        yield random.uniform(ceiling / 2, ceiling)  # noqa: S311
        ceiling = min(ceiling * 2, longest)


class JobClient:
    """Reads jobs and patches their status."""

    def __init__(self, kubernetes: KubernetesClient) -> None:
        self._kubernetes = kubernetes

    @property
    def clock(self) -> ServerClock:
        """The API server's clock: every time that is written into a job is taken from it."""
        return self._kubernetes.clock

    async def read_job(
        self, namespace: str, name: str, *, patience_seconds: float = READ_PATIENCE_SECONDS
    ) -> DownloadJob:
        """Return a job as it is now. Raises NotFoundError, ForbiddenError, UnavailableError."""
        path = jobs_path(namespace, name)
        return await self._persist(
            lambda: self._kubernetes.request("GET", path), name, patience_seconds
        )

    async def patch_status(
        self, namespace: str, name: str, patch: Patch, *, patience_seconds: float
    ) -> DownloadJob:
        """Patch the status of a job and return the job.

        With a patience of 0 the request is sent once; after a lost connection it may be sent twice.
        Raises NotFoundError, ConflictError, ForbiddenError, another RefusedError (a failed ``test``
        or an invalid status), UnavailableError. A patch that was sent again may have been applied
        the first time.
        """
        path = jobs_path(namespace, name, "status")
        return await self._persist(
            lambda: self._kubernetes.patch(path, patch), name, patience_seconds
        )

    async def _persist(
        self,
        send: Callable[[], Awaitable[dict[str, Any]]],
        name: str,
        patience_seconds: float,
    ) -> DownloadJob:
        deadline = time.monotonic() + patience_seconds
        for pause in pauses():
            try:
                return DownloadJob.model_validate(await send())
            except KubernetesError as error:
                if not is_passing(error, name):
                    raise
                wait = max(pause, min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
                if time.monotonic() + wait > deadline:
                    if isinstance(error, ForbiddenError | UnavailableError):
                        raise
                    raise UnavailableError(error.status, error.reason, error.message) from error
            await asyncio.sleep(wait)
        raise AssertionError("pauses never end")
