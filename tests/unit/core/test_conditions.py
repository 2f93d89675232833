from datetime import UTC, datetime

from wherry_core.resources import Condition, ConditionStatus, set_condition, settle_conditions

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def condition(kind: str, status: ConditionStatus, at: datetime, reason: str = "R") -> Condition:
    return Condition(type=kind, status=status, reason=reason, last_transition_time=at)


def test_a_new_type_is_appended() -> None:
    old = (condition("Complete", ConditionStatus.FALSE, EARLIER),)
    new = condition("Failed", ConditionStatus.TRUE, LATER)
    assert set_condition(old, new) == (*old, new)


def test_the_transition_time_is_kept_while_the_status_stays() -> None:
    old = (condition("Failed", ConditionStatus.TRUE, EARLIER, "A"),)
    [merged] = set_condition(old, condition("Failed", ConditionStatus.TRUE, LATER, "B"))
    assert merged.reason == "B"
    assert merged.last_transition_time == EARLIER


def test_the_transition_time_moves_when_the_status_does() -> None:
    old = (condition("Failed", ConditionStatus.FALSE, EARLIER),)
    [merged] = set_condition(old, condition("Failed", ConditionStatus.TRUE, LATER))
    assert merged.last_transition_time == LATER


def test_setting_the_same_condition_twice_changes_nothing() -> None:
    once = set_condition((), condition("Failed", ConditionStatus.TRUE, EARLIER))
    assert set_condition(once, condition("Failed", ConditionStatus.TRUE, LATER)) == once


def test_settling_ends_what_is_true_and_touches_nothing_else() -> None:
    old = (
        condition("Waiting", ConditionStatus.TRUE, EARLIER),
        condition("Suspended", ConditionStatus.FALSE, EARLIER),
        condition("Failed", ConditionStatus.TRUE, EARLIER),
    )
    new = settle_conditions(
        old,
        ("Waiting", "Suspended", "Other"),
        reason="Claimed",
        message="It runs.",
        now=LATER,
        generation=3,
    )
    assert new[1:] == old[1:]
    assert (new[0].status, new[0].reason, new[0].message) == ("False", "Claimed", "It runs.")
    assert (new[0].last_transition_time, new[0].observed_generation) == (LATER, 3)
    assert settle_conditions(
        new, ("Waiting",), reason="Other", message="", now=EARLIER, generation=4
    ) == (new)
