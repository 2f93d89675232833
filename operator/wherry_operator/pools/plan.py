"""What is observed of a pool, and the plan that its policies make of it. Plain data only."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from wherry_core.resources import RunnerPool, RunnerPoolStatus
from wherry_operator.intake.pod_view import PodView
from wherry_operator.policies import Policy

RUNNER_INFIX: Final = "-runner-"
NO_LIMIT: Final = 1_000
"""Start allowance without a limit."""


@dataclass(frozen=True, slots=True)
class ObservedPool:
    """Everything that a decision about a pool may depend on."""

    pool: RunnerPool
    pods: tuple[PodView, ...] = ()
    waiting: int = 0
    """Number of jobs that could run now."""
    claimed: Mapping[str, int] = field(default_factory=dict)
    """Number of claimed jobs by runner."""
    draining: frozenset[str] = frozenset()
    """Runners that were asked to leave and take no more jobs."""
    unresponsive: frozenset[str] = frozenset()
    """Running runners whose heartbeat has stopped."""
    needed: int = 0
    """The largest number of runners that was desired within the last idleSeconds."""
    start_allowance: int = NO_LIMIT
    """Runners that may be started now, given how earlier starts went."""
    start_failure: str | None = None
    """Why recently started runners ended at once, or could not be created."""
    index_up: bool = True
    """True while Redis is available: without it no runner can be asked to leave."""
    release: str = ""
    """Release of the keys in Redis."""

    @property
    def template_hash(self) -> str:
        """The hash of the pool's present template."""
        return template_hash(self.pool, self.release)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What to do with a pool's runners. The plan without arguments does nothing."""

    desired: int = 0
    start: tuple[str, ...] = ()
    """Names of runner pods to create."""
    drain: tuple[str, ...] = ()
    """Runners to ask to leave, provided that they are idle at that moment."""
    retire: tuple[str, ...] = ()
    """Runners to ask to take no more jobs and to leave when they are idle."""
    delete: tuple[PodView, ...] = ()
    """Pods that have ended, or that no job depends on any more."""
    status: RunnerPoolStatus | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    """Why: one CamelCase word and a sentence for each policy that changed something."""


PoolPolicy = Policy[ObservedPool, PoolPlan]


def template_hash(pool: RunnerPool, release: str = "") -> str:
    """Return a short hash of everything that determines the runner pods of ``pool``.

    ``release`` is that of the keys in Redis, which the pods are given.
    """
    shape = {
        "template": pool.spec.template.model_dump(mode="json"),
        "concurrency": pool.spec.concurrency,
        "release": release,
    }
    text = orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:10]


def occupies(pod: PodView) -> bool:
    """Return whether ``pod`` counts towards maxRunners: it has not ended and is not ending."""
    return not pod.ended and not pod.terminating


def has_capacity(observed: ObservedPool, pod: PodView) -> bool:
    """Return whether ``pod`` takes jobs, now or once it has started."""
    leaves = pod.name in observed.draining or pod.name in observed.unresponsive
    return occupies(pod) and not leaves


def free_names(observed: ObservedPool, count: int) -> tuple[str, ...]:
    """Return the ``count`` lowest runner names that no pod and no claimed job uses."""
    prefix = observed.pool.metadata.name + RUNNER_INFIX
    used = {pod.name for pod in observed.pods} | set(observed.claimed)
    names: list[str] = []
    slot = 0
    while len(names) < count:
        name = f"{prefix}{slot}"
        if name not in used:
            names.append(name)
        slot += 1
    return tuple(names)
