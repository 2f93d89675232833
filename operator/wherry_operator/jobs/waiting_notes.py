"""When which waiting job is told why it waits: in turn, so that decisions are never held up."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

TURN_SECONDS: Final = 0.1
"""Pause between two turns: at most so many of these writes are made, however many jobs wait."""
SAME_JOB_SECONDS: Final = 60.0
"""Least pause between two writes that tell the same job why it waits."""
SETTLE_SECONDS: Final = 5.0
"""Pause after a change for all jobs of a pool: most of them find a runner then."""
LOOKED_AT: Final = 500
"""Jobs that are looked at in one turn, to find one that has something to be told."""
LOOK_SECONDS: Final = 5.0


@dataclass
class WaitingNotes:
    """Gives turns. Times are of a monotonic clock, in seconds.

    What was told when is kept in memory only: after a restart a job may be told again too soon.
    """

    wants: Callable[[str], bool]
    """Whether a job (``namespace/name``) still is to be told something; cheap."""
    look_at: Callable[[str], None]
    """Has a job whose turn it is decided about."""
    busy: Callable[[], bool]
    """Whether decisions wait: they come first."""
    redis_up: Callable[[], bool]
    jobs_of: Callable[[str], Iterable[str]]
    """The waiting jobs of a pool."""
    pools: Callable[[], Iterable[str]]
    """The pools that have jobs."""
    _untold: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Jobs that have something to be told, in the order in which they asked."""
    _mistold: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Jobs that may have to be told something else; they have every other turn."""
    _mistold_first: bool = False
    _turns: set[str] = field(default_factory=set)
    _told: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _again: set[str] = field(default_factory=set)
    """Jobs that were told something too short a time ago to be told something else now."""
    _changed: dict[str, float] = field(default_factory=dict)
    """When all jobs of a pool are to be looked at."""
    redis_away: bool = False
    """Whether Redis has not answered for some seconds: a single lost answer holds up no job."""
    _redis_away_since: float | None = None
    _work: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, job: str) -> None:
        """Put a job in line that has something to be told."""
        self._put_in_line(job, self._untold)

    def _put_in_line(self, job: str, line: OrderedDict[str, None]) -> None:
        if job in self._turns or job in self._untold or job in self._mistold:
            return
        if job in self._told:
            self._again.add(job)
        else:
            line[job] = None
        self._work.set()

    def pool_changed(self, pool: str, now: float) -> None:
        """Have all jobs of a pool looked at soon: they may wait for another reason now."""
        self._changed.setdefault(pool, now + SETTLE_SECONDS)
        self._work.set()

    def has_turn(self, job: str) -> bool:
        """Return whether it is the job's turn."""
        return job in self._turns

    def end_turn(self, job: str) -> None:
        """Note that there is nothing to tell any more."""
        self._turns.discard(job)

    def told(self, job: str, now: float) -> None:
        """Note that a job was told why it waits."""
        self._turns.discard(job)
        self._untold.pop(job, None)
        self._mistold.pop(job, None)
        self._told[job] = now
        self._told.move_to_end(job)
        self._work.set()

    def give_turn(self, now: float) -> None:
        """Give the next job its turn, if there is one with something to be told."""
        self._take_in(now)
        if self.busy():
            return
        self._mistold_first = not self._mistold_first
        lines = (self._mistold, self._untold)
        for line in lines if self._mistold_first else reversed(lines):
            if self._give_turn_in(line):
                return

    def _give_turn_in(self, line: OrderedDict[str, None]) -> bool:
        for _ in range(min(LOOKED_AT, len(line))):
            job, _ = line.popitem(last=False)
            if self.wants(job):
                self._turns.add(job)
                self.look_at(job)
                return True
        return False

    def _take_in(self, now: float) -> None:
        self._look_at_redis(now)
        while self._told and now - next(iter(self._told.values())) >= SAME_JOB_SECONDS:
            job, _ = self._told.popitem(last=False)
            if job in self._again:
                self._again.discard(job)
                self._put_in_line(job, self._mistold)
        for pool in [pool for pool, due in self._changed.items() if due <= now]:
            del self._changed[pool]
            for job in self.jobs_of(pool):
                self._put_in_line(job, self._mistold)

    def _look_at_redis(self, now: float) -> None:
        if self.redis_up():
            self._redis_away_since = None
        elif self._redis_away_since is None:
            self._redis_away_since = now
        since = self._redis_away_since
        away = since is not None and now - since >= SETTLE_SECONDS
        if away != self.redis_away:
            self.redis_away = away
            for pool in self.pools():
                self.pool_changed(pool, now)

    @property
    def _resting(self) -> bool:
        return not (self._untold or self._mistold or self._told or self._changed)

    async def run(self) -> None:
        """Give turns until cancelled."""
        self._turns.clear()
        self._redis_away_since, self.redis_away = None, False
        while True:
            self.give_turn(time.monotonic())
            if self._resting:
                self._work.clear()
                # Not wait_for, which swallows a cancel now and then before Python 3.12.
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._work.wait()
                except TimeoutError:
                    continue
            await asyncio.sleep(TURN_SECONDS)
