"""The contract of policies."""

from wherry_operator.policies import Stop, decide


def test_policies_are_asked_in_order_and_each_sees_the_plan_so_far() -> None:
    def add_observed(observed: int, plan: str) -> str:
        return f"{plan}{observed}"

    def has_nothing_to_add(_observed: int, _plan: str) -> None:
        return None

    assert decide((add_observed, has_nothing_to_add, add_observed), 7, "plan ") == "plan 77"


def test_a_policy_that_stops_completes_the_plan() -> None:
    def stop(_observed: int, plan: str) -> Stop[str]:
        return Stop(plan + "stopped")

    def never_asked(_observed: int, _plan: str) -> str:
        raise AssertionError

    assert decide((stop, never_asked), 0, "") == "stopped"


def test_without_an_answer_the_plan_stays() -> None:
    assert decide((), 0, "plan") == "plan"
