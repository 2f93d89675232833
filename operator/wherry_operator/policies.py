"""How a decision is composed: the one contract of the policies of jobs and of pools.

A policy is a pure function of what was observed and of the plan so far. It answers with

- None, when it has nothing to add;
- a plan, which is the plan so far with its own part added: the next policy is asked;
- :class:`Stop`, when the decision is complete: no policy below it in the list is asked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Observed = TypeVar("Observed")
Plan = TypeVar("Plan")


@dataclass(frozen=True, slots=True)
class Stop(Generic[Plan]):
    """The answer of a policy that completes the decision."""

    plan: Plan
    """What to do. The plan so far, unchanged, when nothing is left to do."""


Policy = Callable[[Observed, Plan], Plan | Stop[Plan] | None]


def decide(policies: Iterable[Policy[Observed, Plan]], observed: Observed, plan: Plan) -> Plan:
    """Return the plan that ``policies`` make of ``plan``, asked in order."""
    for policy in policies:
        answer = policy(observed, plan)
        if isinstance(answer, Stop):
            return answer.plan
        if answer is not None:
            plan = answer
    return plan
