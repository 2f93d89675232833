"""What the operator remembers of a pool between two decisions; lost at a restart without harm."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from wherry_operator.cluster_metrics import PoolFigures
from wherry_operator.intake.pod_view import PodView

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 300.0
QUICK_END_SECONDS: Final = 30.0
"""A runner that ends with an error this soon, without having had a job, failed at its start."""


class PeakWindow:
    """The greatest value of the last seconds; times are of a monotonic clock.

    From a restart until a full window has passed the peak is unlimited: nothing is scaled down
    by what was not seen.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._entries: deque[tuple[float, int]] = deque()

    def note(self, now: float, value: int) -> None:
        """Take in the value that holds from now on."""
        if self._entries and self._entries[-1][1] == value:
            return
        self._entries.append((now, value))

    def peak(self, now: float, seconds: float, otherwise: int) -> int:
        """Return the greatest value that held within the last ``seconds``.

        ``otherwise`` stands for the time before the start, while that lies within the window.
        """
        edge = now - seconds
        while len(self._entries) > 1 and self._entries[1][0] <= edge:
            self._entries.popleft()
        values = [value for _, value in self._entries]
        if self._started > edge:
            values.append(otherwise)
        return max(values, default=otherwise)

    def next_change(self, now: float, seconds: float) -> float | None:
        """Return in how many seconds the peak may fall by itself, or None if it will not."""
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
        """Note that a runner could not be created, or ended at once."""
        self.failures += 1
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (min(self.failures, 10) - 1))
        self.not_before = max(self.not_before, now + pause)
        self.reason = reason

    def worked(self) -> None:
        """Note that a runner took a job."""
        self.failures, self.not_before, self.reason = 0, 0.0, None

    def allowance(self, now: float) -> int:
        """Return how many runners may be started now: one at a time after a failure."""
        if self.failures == 0:
            return 1_000
        return 1 if now >= self.not_before else 0


@dataclass(slots=True)
class PoolMemory:
    """Everything remembered of one pool."""

    peak: PeakWindow
    guard: StartGuard = field(default_factory=StartGuard)
    draining: dict[str, float] = field(default_factory=dict)
    """Uids of pods that were asked to leave, and since when."""
    judged: set[str] = field(default_factory=set)
    """Uids of ended pods that the guard has taken in."""
    worked: set[str] = field(default_factory=set)
    """Uids of pods that have had a job."""
    status_written: float = float("-inf")
    figures: PoolFigures | None = None

    def failed_at_start(self, pod: PodView) -> bool:
        """Whether a runner ended with an error before it had a job, as is not noted yet.

        One that was sent away before it could start ends so, too: that is no failure.
        """
        fresh = pod.uid not in self.judged and pod.uid not in self.worked
        return fresh and pod.failed and not pod.terminating
