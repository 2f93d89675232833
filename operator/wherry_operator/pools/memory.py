"""What the operator remembers of a pool between two decisions. It is not kept over a restart."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from wherry_operator.cluster_metrics import PoolFigures
from wherry_operator.intake.pod_view import PodView
from wherry_operator.pools.plan import NO_LIMIT

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0


class PeakWindow:
    """The largest value of the last seconds. Times are of a monotonic clock.

    From a restart until a full window has passed, the value before the restart is unknown, and
    nothing is scaled down because of it.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._entries: deque[tuple[float, int]] = deque()

    def note(self, now: float, value: int) -> None:
        """Record the value that holds from now on."""
        if self._entries and self._entries[-1][1] == value:
            return
        self._entries.append((now, value))

    def peak(self, now: float, seconds: float, otherwise: int) -> int:
        """Return the largest value that held within the last ``seconds``.

        ``otherwise`` is the value of the time before the start, as long as the window reaches it.
        """
        edge = now - seconds
        while len(self._entries) > 1 and self._entries[1][0] <= edge:
            self._entries.popleft()
        values = [value for _, value in self._entries]
        if self._started > edge:
            values.append(otherwise)
        return max(values, default=otherwise)

    def next_change(self, now: float, seconds: float) -> float | None:
        """Return the seconds until the peak may fall by itself, or None when it will not."""
        moments = [when + seconds - now for when, _ in list(self._entries)[1:]]
        moments.append(self._started + seconds - now)
        return min((moment for moment in moments if moment > 0), default=None)


@dataclass(slots=True)
class StartGuard:
    """Slows down starts of runners that keep failing. Times are of a monotonic clock."""

    failures: int = 0
    not_before: float = 0.0
    reason: str | None = None

    def failed(self, now: float, reason: str) -> None:
        """Record that a runner could not be created, or ended at once."""
        self.failures += 1
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (min(self.failures, 10) - 1))
        self.not_before = max(self.not_before, now + pause)
        self.reason = reason

    def succeeded(self) -> None:
        """Record that a runner took its first job."""
        self.failures, self.not_before, self.reason = 0, 0.0, None

    def allowance(self, now: float) -> int:
        """Return how many runners may be started now: one at a time after a failure."""
        if self.failures == 0:
            return NO_LIMIT
        return 1 if now >= self.not_before else 0


@dataclass(slots=True)
class PoolMemory:
    """Everything that is remembered of one pool."""

    peak: PeakWindow
    guard: StartGuard = field(default_factory=StartGuard)
    template_hash: str = ""
    """Hash of the template that the guard's failures are about."""
    draining: dict[str, float] = field(default_factory=dict)
    """Uids of pods that were asked to leave, and since when."""
    judged: set[str] = field(default_factory=set)
    """Uids of ended pods that the guard knows."""
    worked: set[str] = field(default_factory=set)
    """Uids of pods that have had a job."""
    status_written: float = float("-inf")
    figures: PoolFigures | None = None

    def record_pods(
        self, pods: Sequence[PodView], claimed: Collection[str], leaving: Iterable[str], now: float
    ) -> None:
        """Record how the pods are. ``leaving`` are uids of pods that Redis says are draining."""
        uids = {pod.uid for pod in pods}
        for uid in leaving:
            self.draining.setdefault(uid, now)
        self.draining = {uid: since for uid, since in self.draining.items() if uid in uids}
        for pod in pods:
            # Only a runner's first job shows that runners can start: one that has worked for long,
            # perhaps with an older template, says nothing about those that are started now.
            if pod.name in claimed and not pod.ended and pod.uid not in self.worked:
                self.worked.add(pod.uid)
                self.guard.succeeded()
            if self.failed_at_start(pod):
                why = pod.end.message if pod.end else "It ended with an error."
                self.guard.failed(now, f"The runner {pod.name} took no job. {why}")
            if pod.ended:
                self.judged.add(pod.uid)
        self.judged &= uids
        self.worked &= uids

    def record_template(self, template_hash: str) -> None:
        """Drop the failures of another template: the present one may be its correction."""
        if template_hash != self.template_hash:
            self.template_hash, self.guard = template_hash, StartGuard()

    def failed_at_start(self, pod: PodView) -> bool:
        """Return whether a runner ended with an error before it had a job, and was not judged yet.

        A runner that was deleted before it could start also ends with an error. That is no failure.
        """
        fresh = pod.uid not in self.judged and pod.uid not in self.worked
        return fresh and pod.failed and not pod.terminating
