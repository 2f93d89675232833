"""What should happen to a pool: a pure decision over what was observed, at one moment."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from wherry_core.resources import RunnerPool, RunnerPoolStatus
from wherry_operator.intake.pod_view import PodView


@dataclass(frozen=True, slots=True)
class ObservedPool:
    """Everything that a decision about a pool may depend on."""

    pool: RunnerPool
    pods: tuple[PodView, ...] = ()
    waiting: int = 0
    """Jobs that could run now."""
    claimed: Mapping[str, int] = field(default_factory=dict)
    """Number of claimed jobs by runner."""
    draining: frozenset[str] = frozenset()
    """Runners that were asked to leave, and will take no more jobs."""
    silent: frozenset[str] = frozenset()
    """Running runners whose heartbeat has stopped."""
    needed: int = 0
    """The most runners that were desired at any time within the last idleSeconds."""
    start_allowance: int = 1_000
    """Runners that may be started now, given how earlier starts went."""
    start_failure: str | None = None
    """Why runners that were started lately ended at once, or could not be created."""
    index_up: bool = True
    """True while Redis answers: without it nobody can be asked to leave."""

    @property
    def template_hash(self) -> str:
        """The hash of the pool's template as it is now."""
        return template_hash(self.pool)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What to do with a pool's runners. Policies add to it one after the other."""

    desired: int = 0
    start: tuple[str, ...] = ()
    """Names of runner pods to create."""
    drain: tuple[str, ...] = ()
    """Runners to ask to leave, if they are idle at that moment."""
    retire: tuple[str, ...] = ()
    """Busy runners to ask to take no more jobs and to leave when they are idle."""
    delete: tuple[PodView, ...] = ()
    """Pods that have ended, or that no job can depend on any more."""
    status: RunnerPoolStatus | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    """Why: a CamelCase word and a sentence, of each policy that changed something."""


PoolPolicy = Callable[[ObservedPool, PoolPlan], PoolPlan]
"""Looks at a pool and at the plan so far; returns the plan with its own part added."""

RUNNER_INFIX: Final = "-runner-"


def template_hash(pool: RunnerPool) -> str:
    """Return a short hash of everything that shapes a runner pod of ``pool``."""
    shape = {
        "template": pool.spec.template.model_dump(mode="json"),
        "concurrency": pool.spec.concurrency,
    }
    text = orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:10]


def desired_runners(pool: RunnerPool, waiting: int, claimed: int) -> int:
    """Return how many runners the jobs ask for, within the pool's bounds."""
    spec = pool.spec
    asked = -(-(waiting + claimed) // spec.concurrency)
    if spec.paused:
        asked = -(-claimed // spec.concurrency)
        return min(asked, spec.max_runners)
    return max(min(asked, spec.max_runners), spec.min_runners)


def occupies(pod: PodView) -> bool:
    """Return whether ``pod`` counts towards maxRunners: it has not ended and is not ending."""
    return not pod.ended and not pod.terminating


def has_capacity(observed: ObservedPool, pod: PodView) -> bool:
    """Return whether ``pod`` takes jobs, now or once it has started."""
    return occupies(pod) and pod.name not in observed.draining and pod.name not in observed.silent


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
