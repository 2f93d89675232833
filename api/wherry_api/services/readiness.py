"""Whether Kubernetes, Redis and the store answer, asked now and then and not once a request."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from wherry_api.metrics import DEPENDENCY_UP
from wherry_api.openapi.schemas import Dependency, Health
from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import KubernetesError, UnavailableError
from wherry_core.redis.link import RedisLink, RedisUnavailableError

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
STORE_CHECK_SECONDS: Final = 30.0
"""The store is asked less often: no request waits for it, and some stores count each question."""
KUBERNETES_TIMEOUT_SECONDS: Final = 10.0
STORE_TIMEOUT_SECONDS: Final = 3.0
SERVER_ERRORS: Final = 500
KUBERNETES: Final = "kubernetes"
REDIS: Final = "redis"
STORE: Final = "store"
NEEDED: Final = frozenset({KUBERNETES, REDIS})
"""With one of these something can be answered; without both, nothing."""
WITHOUT: Final = {
    KUBERNETES: "Without it no job is created, cancelled, retried or listed; the rest goes on.",
    REDIS: "Without it status and streams read Kubernetes, less often; tickets are not given.",
    STORE: "Without it redirects are still signed, but fetching the archive fails.",
}

Question = Callable[[], Awaitable[str | None]]
"""Asks once; returns None for an answer, else why there was none."""


def standing(up: Mapping[str, bool], *, draining: bool) -> tuple[bool, str]:
    """Return whether requests should be sent here, and the word for how the process stands."""
    if draining:
        return False, "draining"
    if not any(up[name] for name in NEEDED):
        return False, "unavailable"
    return True, "ok" if all(up.values()) else "degraded"


class Readiness:
    """The newest answers."""

    def __init__(self, kubernetes: KubernetesClient, link: RedisLink, store: Question) -> None:
        self._kubernetes = kubernetes
        self._link = link
        self._store = store
        self.up = {KUBERNETES: True, REDIS: True, STORE: True}
        self.draining = False

    async def run(self) -> None:
        """Ask Kubernetes and Redis until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS)

    async def run_store(self) -> None:
        """Ask the store until cancelled: a slow one does not hold the other answers up."""
        while True:
            await self.check_store()
            await asyncio.sleep(STORE_CHECK_SECONDS)

    async def check(self) -> None:
        """Ask Kubernetes and Redis once."""
        self._note(KUBERNETES, await self._kubernetes_fault())
        self._note(REDIS, await self._redis_fault())

    async def check_store(self) -> None:
        """Ask the store once."""
        self._note(STORE, await self._store())

    def health(self) -> tuple[bool, Health]:
        """Return whether requests should be sent here, and what is up."""
        ready, status = standing(self.up, draining=self.draining)
        dependencies = {
            name: Dependency(status="ok" if up else "unavailable", detail=WITHOUT[name])
            for name, up in self.up.items()
        }
        return ready, Health(status=status, dependencies=dependencies)

    def _note(self, name: str, fault: str | None) -> None:
        up = fault is None
        DEPENDENCY_UP.labels(name).set(1 if up else 0)
        if up == self.up[name]:
            return
        self.up[name] = up
        if up:
            log.info("%s answers again", name)
        else:
            log.warning("%s does not answer: %s", name, fault)

    async def _kubernetes_fault(self) -> str | None:
        try:
            await self._kubernetes.request(
                "GET", "/version", timeout_seconds=KUBERNETES_TIMEOUT_SECONDS
            )
        except UnavailableError as error:
            return str(error)
        except KubernetesError as error:
            # A refusal is an answer: not every cluster shows its version to everyone.
            log.debug("the Kubernetes API refuses to show its version: %s", error)
        return None

    async def _redis_fault(self) -> str | None:
        try:
            await self._link.send(lambda redis: redis.ping())
        except RedisUnavailableError as error:
            return str(error)
        return None


def fault_of(error: Exception) -> str | None:
    """Return why ``error`` is no answer; None for a refusal, which is one.

    The API may have no right to look at the bucket, and needs none: only clients fetch from it.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", SERVER_ERRORS)
        return None if status < SERVER_ERRORS else f"status {status}"
    return f"{type(error).__name__}: {error}"


async def store_fault(client: Any, bucket: str) -> str | None:
    """Ask for the bucket's existence (HeadBucket); return why no answer came, or None."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_SECONDS):
            await client.head_bucket(Bucket=bucket)
    except TimeoutError:
        return f"nothing came within {STORE_TIMEOUT_SECONDS:g} seconds"
    except (ClientError, BotoCoreError, OSError) as error:
        return fault_of(error)
    return None
