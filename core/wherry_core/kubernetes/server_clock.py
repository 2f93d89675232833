"""The API server's clock, read from the Date headers of its answers.

Times in resources are written by the operator and by many runners, and compared by one of them.
All of them use this clock, so that a node whose clock is minutes off neither expires a job early
nor keeps it for too long.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

DRIFT_PER_SECOND: Final = 1e-4
"""How much the bounds widen per second: ten times the drift of a poor quartz."""


class ServerClock:
    """The API server's time, within a second; the local time until it is known.

    A Date header (RFC 9110, section 6.6.1) names a whole second between sending a request and
    receiving its answer, which bounds the offset between the two clocks. The bounds of several
    answers are intersected (Marzullo's algorithm for a single source). As long as an offset of
    zero is within the bounds, the local clock is right and is used as it is.
    """

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        """``local`` returns the local time in seconds since the epoch."""
        self._local = local
        self._bounds: tuple[float, float] | None = None
        self._observed_at = 0.0
        self._parsed = ("", 0.0)
        """The newest header and its time: most answers of one second repeat it."""

    def observe(self, date: str | None, sent: float) -> None:
        """Use the Date header of an answer that has just arrived to a request sent at ``sent``.

        ``sent`` is :meth:`local_time` before the request. A header that is missing or cannot be
        parsed changes nothing.
        """
        if not date:
            return
        if date != self._parsed[0]:
            try:
                self._parsed = (date, parsedate_to_datetime(date).timestamp())
            except ValueError:
                return
        server = self._parsed[1]
        received = self._local()
        # The server's clock was in [server, server + 1) at some moment in [sent, received].
        lower, upper = server - received, server + 1.0 - sent
        if self._bounds is not None:
            slack = max(0.0, received - self._observed_at) * DRIFT_PER_SECOND
            narrowed = max(lower, self._bounds[0] - slack), min(upper, self._bounds[1] + slack)
            # Bounds that exclude each other: one of the clocks was set, so only the new ones hold.
            if narrowed[0] <= narrowed[1]:
                lower, upper = narrowed
        self._bounds, self._observed_at = (lower, upper), received

    @property
    def offset_seconds(self) -> float:
        """Seconds to add to the local time; 0 while the local clock may be right."""
        if self._bounds is None or self._bounds[0] <= 0.0 <= self._bounds[1]:
            return 0.0
        return (self._bounds[0] + self._bounds[1]) / 2

    def local_time(self) -> float:
        """Return the local time in seconds since the epoch."""
        return self._local()

    def now(self) -> datetime:
        """Return the API server's time, in UTC."""
        return datetime.fromtimestamp(self._local() + self.offset_seconds, UTC)
