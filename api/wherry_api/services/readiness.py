"""Whether Kubernetes, Redis and the store answer: checked periodically, not for each request."""

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
"""Longer, because no request waits for the store, and some stores bill each check."""
KUBERNETES_TIMEOUT_SECONDS: Final = 10.0
STORE_TIMEOUT_SECONDS: Final = 3.0
SERVER_ERRORS: Final = 500
KUBERNETES: Final = "kubernetes"
REDIS: Final = "redis"
STORE: Final = "store"
NEEDED: Final = frozenset({KUBERNETES, REDIS})
"""Without both of these, no request can be answered."""
WITHOUT: Final = {
    KUBERNETES: "Without it no job is created, cancelled, retried or listed; the rest works.",
    REDIS: "Without it status and streams read Kubernetes, less often; no tickets are issued.",
    STORE: "Without it URLs are still presigned, but the download fails.",
}

StoreCheck = Callable[[], Awaitable[str | None]]
"""Checks once; returns None, or the reason for which there was no answer."""


def readiness_of(up: Mapping[str, bool], *, draining: bool) -> tuple[bool, str]:
    """Return whether requests should be sent here, and the process's status."""
    if draining:
        return False, "draining"
    if not any(up[name] for name in NEEDED):
        return False, "unavailable"
    return True, "ok" if all(up.values()) else "degraded"


class Readiness:
    """The results of the last checks."""

    def __init__(self, kubernetes: KubernetesClient, link: RedisLink, store: StoreCheck) -> None:
        self._kubernetes = kubernetes
        self._link = link
        self._store = store
        self.up = {KUBERNETES: True, REDIS: True, STORE: True}
        self.draining = False

    async def run(self) -> None:
        """Check Kubernetes and Redis until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS)

    async def run_store(self) -> None:
        """Check the store until cancelled, apart, so that a slow store delays no other check."""
        while True:
            await self.check_store()
            await asyncio.sleep(STORE_CHECK_SECONDS)

    async def check(self) -> None:
        """Check Kubernetes and Redis once."""
        self._note(KUBERNETES, await self._kubernetes_fault())
        self._note(REDIS, await self._redis_fault())

    async def check_store(self) -> None:
        """Check the store once."""
        self._note(STORE, await self._store())

    def health(self) -> tuple[bool, Health]:
        """Return whether requests should be sent here, and the status of each dependency."""
        ready, status = readiness_of(self.up, draining=self.draining)
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
            log.info("%s is available again", name)
        else:
            log.warning("%s is unavailable: %s", name, fault)

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
    """Return why the store is unavailable; None for a refusal, which is an answer.

    The API needs no permission for the bucket, because only clients download from it.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", SERVER_ERRORS)
        return None if status < SERVER_ERRORS else f"status {status}"
    return f"{type(error).__name__}: {error}"


async def store_fault(client: Any, bucket: str) -> str | None:
    """Send a HeadBucket; return None, or why no answer came."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_SECONDS):
            await client.head_bucket(Bucket=bucket)
    except TimeoutError:
        return f"no answer within {STORE_TIMEOUT_SECONDS:g} seconds"
    except (ClientError, BotoCoreError, OSError) as error:
        return fault_of(error)
    return None
