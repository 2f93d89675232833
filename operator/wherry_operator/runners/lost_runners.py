"""Whether the runner of a job's current attempt is lost."""

from dataclasses import dataclass

from wherry_core.kubernetes.client import KubernetesClient
from wherry_core.kubernetes.errors import NotFoundError
from wherry_core.kubernetes.paths import pods_path
from wherry_core.resources.names import JobReason
from wherry_operator.intake.cache import ClusterCache
from wherry_operator.intake.ingest import ClusterIntake
from wherry_operator.intake.job_view import JobView
from wherry_operator.intake.pod_view import Loss, PodView
from wherry_operator.runners.runner_watch import RunnerWatch


@dataclass(frozen=True)
class LostRunners:
    """Finds runners that have ended, no longer exist, or send no heartbeat."""

    kubernetes: KubernetesClient
    cache: ClusterCache
    intake: ClusterIntake
    runners: RunnerWatch
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
