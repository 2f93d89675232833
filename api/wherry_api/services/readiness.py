"""Whether Redis and Kubernetes answer, asked now and then and not once a request."""

import asyncio
import logging
from typing import Final

from wherry_api.kubernetes_requests import KubernetesRequests, KubernetesUnavailableError
from wherry_api.metrics import DEPENDENCY_UP
from wherry_api.redis_gate import RedisGate, RedisUnavailableError
from wherry_api.schemas import Dependency, Health

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
KUBERNETES: Final = "kubernetes"
REDIS: Final = "redis"
WITHOUT: Final = {
    KUBERNETES: "Without it no job is created, cancelled, retried or listed; the rest goes on.",
    REDIS: "Without it status and streams read Kubernetes, less often; tickets are not given.",
}


class Readiness:
    """The newest answers."""

    def __init__(self, kubernetes: KubernetesRequests, gate: RedisGate) -> None:
        self._kubernetes = kubernetes
        self._gate = gate
        self.up = {KUBERNETES: True, REDIS: True}
        self.draining = False

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_SECONDS)

    async def check(self) -> None:
        """Ask both once."""
        for name, up in (
            (KUBERNETES, await self._kubernetes_answers()),
            (REDIS, await self._redis_answers()),
        ):
            if up != self.up[name]:
                log.log(
                    logging.INFO if up else logging.WARNING,
                    "%s %s",
                    name,
                    "answers again" if up else "does not answer",
                )
            self.up[name] = up
            DEPENDENCY_UP.labels(name).set(1 if up else 0)

    def health(self) -> tuple[bool, Health]:
        """Return whether requests should be sent here, and what is up."""
        if self.draining:
            status = "draining"
        elif all(self.up.values()):
            status = "ok"
        else:
            status = "degraded" if any(self.up.values()) else "unavailable"
        dependencies = {
            name: Dependency(status="ok" if up else "unavailable", detail=WITHOUT[name])
            for name, up in self.up.items()
        }
        ready = status in {"ok", "degraded"}
        return ready, Health(status=status, dependencies=dependencies)

    async def _kubernetes_answers(self) -> bool:
        try:
            answer = await self._kubernetes.send("GET", "/version")
        except KubernetesUnavailableError:
            return False
        return answer.status < 500

    async def _redis_answers(self) -> bool:
        try:
            await self._gate.run(lambda redis: redis.ping())
        except RedisUnavailableError:
            return False
        return True
