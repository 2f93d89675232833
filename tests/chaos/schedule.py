"""Which faults occur when: a pure function of the seed."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """A kind of fault. :mod:`tests.chaos.faults` has one function for each."""

    OPERATOR_KILLED = "operator killed"
    OPERATOR_KILLED_AT_A_WRITE = "operator killed at a write"
    OPERATOR_FROZEN = "operator frozen"
    OPERATOR_DISCONNECTED = "operator disconnected from the API server"
    API_SERVER_RESTARTED = "API server restarted"
    API_ERRORS = "API server answers 409, 429, 500, resets, lost answers"
    WATCHES_EXPIRED = "watches end with 410 Gone"
    WATCHES_RESET = "watches reset"
    WATCHES_SILENT = "watches fall silent"
    DELETE_SWALLOWED = "a pod is deleted and the event swallowed"
    RUNNER_KILLED = "runner killed"
    RUNNER_FROZEN = "runner frozen"
    RUNNER_TERMINATED = "runner's pod deleted"
    RUNNER_EVICTED = "runner evicted"
    RUNNER_OUT_OF_MEMORY = "runner out of memory"
    RUNNER_VANISHED = "runner's pod vanished with its node"
    RUNNER_CLOCK_OFF = "runner started on a node whose clock is two minutes off"
    RUNNER_WITHOUT_REDIS = "runner disconnected from Redis"
    RUNNER_WITHOUT_API = "runner disconnected from the API server"
    RUNNER_WITHOUT_STORE = "runner disconnected from the store"
    REDIS_FLUSHED = "Redis flushed"
    REDIS_RESTARTED_EMPTY = "Redis restarted with an empty disk"
    REDIS_FAILED_OVER = "Redis failed over to a stale replica"
    REDIS_UNAVAILABLE = "Redis unavailable"
    STORE_RESTARTED = "store restarted"
    SOURCE_REPLACED = "source file replaced by other bytes"
    JOB_CANCELLED = "job cancelled"
    JOB_DELETED = "job deleted"
    JOB_DELETED_UNSEEN = "job deleted while no operator runs"
    JOB_SUSPENDED = "job suspended, and resumed"
    RESOURCE_UNREADABLE = "job and pool of a newer release created"


@dataclass(frozen=True)
class Lengths:
    """How long faults last, in seconds: least and most."""

    freeze: tuple[float, float]
    disconnection: tuple[float, float]
    redis_unavailable: tuple[float, float]
    store_unavailable: tuple[float, float] = (0.5, 3.0)


SHORT: Final = Lengths(freeze=(1, 20), disconnection=(2, 8), redis_unavailable=(2, 6))
"""For a heartbeat timeout of 10 s: a frozen runner is fenced."""
LONG: Final = Lengths(freeze=(2, 120), disconnection=(2, 45), redis_unavailable=(5, 60))
"""For the operator's default heartbeat timeout of 30 s."""

RARE: Final = {
    Kind.RUNNER_OUT_OF_MEMORY: 2,
    Kind.API_SERVER_RESTARTED: 4,
    Kind.SOURCE_REPLACED: 2,
}
"""Maximum number of strikes by kind. Running out of memory, and a source that changes while it is
read, count as failed attempts, of which a job has three. A restart of the API server stops
everything for seconds."""


@dataclass(frozen=True)
class Strike:
    """One fault of the schedule."""

    at: float
    """Seconds from the start."""
    kind: Kind
    seconds: float
    """How long it lasts, where it lasts."""
    chance: float
    """From 0 to 1: chooses the victim, the point and the like."""


def schedule(seed: int, seconds: float, count: int, lengths: Lengths) -> tuple[Strike, ...]:
    """Return ``count`` strikes over ``seconds``, oldest first; the same for the same arguments.

    Every kind strikes at least once when there are as many strikes as kinds.
    """
    chooser = random.Random(seed)
    kinds = list(Kind)
    chooser.shuffle(kinds)
    chosen = kinds[:count]
    while len(chosen) < count:
        kind = chooser.choice(kinds)
        if chosen.count(kind) < RARE.get(kind, count):
            chosen.append(kind)
    strikes = [
        Strike(
            at=chooser.uniform(0, seconds),
            kind=kind,
            seconds=chooser.uniform(*_length(kind, lengths)),
            chance=chooser.random(),
        )
        for kind in chosen
    ]
    return tuple(sorted(strikes, key=lambda strike: strike.at))


def _length(kind: Kind, lengths: Lengths) -> tuple[float, float]:
    if kind in {Kind.OPERATOR_FROZEN, Kind.RUNNER_FROZEN}:
        return lengths.freeze
    if kind is Kind.REDIS_UNAVAILABLE:
        return lengths.redis_unavailable
    if kind in {Kind.STORE_RESTARTED, Kind.RUNNER_WITHOUT_STORE}:
        return lengths.store_unavailable
    return lengths.disconnection
