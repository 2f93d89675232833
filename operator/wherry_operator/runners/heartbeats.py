"""Which runners have fallen silent, timed by the operator's own clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Pulse:
    """A runner's heartbeat counter, and since when it has been the same."""

    count: int | None
    since: float


class HeartbeatWatch:
    """Compares heartbeat counters: clocks of two machines need not agree.

    Times are seconds of a monotonic clock.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._pulses: dict[str, Pulse] = {}

    def note(self, runners: Iterable[str], counts: Mapping[str, int], now: float) -> None:
        """Take in the counters of ``runners``, as Redis has just told them.

        A runner that Redis does not know, because it is new or Redis was flushed, has its full
        time from when it was first looked for.
        """
        seen = set(runners)
        for name in seen:
            count = counts.get(name)
            pulse = self._pulses.get(name)
            if pulse is None or (count is not None and count != pulse.count):
                self._pulses[name] = Pulse(count, now)
        for name in self._pulses.keys() - seen:
            del self._pulses[name]

    def start_over(self, now: float) -> None:
        """Give every runner its full time anew: Redis was away, and no heartbeat could come."""
        for pulse in self._pulses.values():
            pulse.since = now

    def silent(self, now: float) -> frozenset[str]:
        """Return the runners whose counter has not changed for the timeout."""
        return frozenset(
            name for name, pulse in self._pulses.items() if now - pulse.since >= self._timeout
        )
