"""Whether a runner is lost: it has ended, no longer exists, or its heartbeat has stopped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import NotFoundError
from wherry_core.kubernetes.paths import pods_path
from wherry_core.redis.runner_registry import RunnerId
from wherry_core.resources.names import JobReason
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import Loss, PodView


@dataclass(slots=True)
class Pulse:
    """A runner's heartbeat counter, and since when it has been the same."""

    count: int | None
    since: float


class Heartbeats:
    """Finds runners whose heartbeat counter stands still.

    Counters are compared, not times, because the clocks of two machines need not agree. Times are
    seconds of the operator's monotonic clock.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._pulses: dict[RunnerId, Pulse] = {}

    def update(
        self, runners: Iterable[RunnerId], counts: Mapping[RunnerId, int], now: float
    ) -> None:
        """Record the counters of ``runners`` as Redis has just returned them.

        A runner that Redis does not know, because it is new or Redis was flushed, has the full
        timeout from the first reading.
        """
        seen = set(runners)
        for runner in seen:
            count = counts.get(runner)
            pulse = self._pulses.get(runner)
            if pulse is None or (count is not None and count != pulse.count):
                self._pulses[runner] = Pulse(count, now)
        for runner in self._pulses.keys() - seen:
            del self._pulses[runner]

    def restart(self, now: float) -> None:
        """Give every runner the full timeout again: Redis was unavailable."""
        for pulse in self._pulses.values():
            pulse.since = now

    def unresponsive(self, now: float) -> frozenset[str]:
        """Return the names of the runners whose counter has not changed for the timeout."""
        return frozenset(
            runner.name
            for runner, pulse in self._pulses.items()
            if now - pulse.since >= self._timeout
        )


class Heard(Protocol):
    """Reads the heartbeats of all runners."""

    unresponsive: frozenset[str]
    """Names of the runners whose heartbeat has stopped."""


@dataclass(frozen=True)
class LostRunners:
    """Finds runners that have ended, no longer exist, or send no heartbeat."""

    kubernetes: KubernetesClient
    cache: ClusterCache
    intake: ClusterIntake
    runners: Heard
    namespace: str
    """Namespace of the runner pods."""
    heartbeat_timeout: float
    """Seconds without a heartbeat after which a runner counts as lost."""

    async def loss(self, view: JobView) -> Loss | None:
        """Return how the job's runner was lost; None while it is alive or the job has none."""
        name = view.claimed_by
        if name is None:
            return None
        pod = self.cache.pods.get(name)
        if pod is None or not _is_runner_of(view, pod):
            # The watch of jobs may be ahead of the watch of pods, so the API server is asked.
            pod = await self._read_pod(name)
        if pod is None or not _is_runner_of(view, pod):
            return Loss(JobReason.RUNNER_GONE, f"The pod of the runner {name} no longer exists.")
        if pod.ended:
            return pod.end
        if name in self.runners.unresponsive:
            return Loss(
                JobReason.RUNNER_UNRESPONSIVE,
                f"The runner {name} has sent no heartbeat for {self.heartbeat_timeout:g} s.",
            )
        return None

    async def _read_pod(self, name: str) -> PodView | None:
        try:
            answer = await self.kubernetes.request("GET", pods_path(self.namespace, name))
        except NotFoundError:
            return None
        self.intake.take_pod(answer)
        return self.cache.pods.get(name)


def _is_runner_of(view: JobView, pod: PodView) -> bool:
    """Return whether ``pod`` is the one that claimed the job, not a later one of its name."""
    uid = view.job.status.runner_uid
    return not uid or uid == pod.uid
