"""Pauses between tries."""

import pytest

from wherry_client.pauses import backoff, before_next_try, between_polls


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(0, 0, 0), (1, 0.25, 0.5), (2, 0.5, 1), (3, 1, 2), (6, 7.5, 15), (10_000, 7.5, 15)],
)
def test_backoff_doubles_up_to_a_cap_and_half_of_it_is_chance(
    failures: int, least: float, most: float
) -> None:
    assert backoff(failures, 0.0) == least
    assert backoff(failures, 1.0) == most


def test_the_server_may_ask_for_more_and_not_for_less() -> None:
    assert before_next_try(1, 0.0, 7.0) == 7.0
    assert before_next_try(6, 0.0, 1.0) == 7.5
    assert before_next_try(6, 0.0, None) == 7.5


def test_polls_become_rarer_while_nothing_happens() -> None:
    pauses = [between_polls(n) for n in (0, 1, 2, 5, 10_000)]
    assert pauses == [2.0, 3.0, 4.5, 10.0, 10.0]
