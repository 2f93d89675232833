"""Pauses between requests."""

import pytest

from wherry_client.backoff import backoff, poll_interval, retry_delay


@pytest.mark.parametrize(
    ("failures", "least", "most"),
    [(0, 0, 0), (1, 0.25, 0.5), (2, 0.5, 1), (3, 1, 2), (6, 7.5, 15), (10_000, 7.5, 15)],
)
def test_backoff_doubles_up_to_a_cap_and_half_of_it_is_random(
    failures: int, least: float, most: float
) -> None:
    assert backoff(failures, 0.0) == least
    assert backoff(failures, 1.0) == most


def test_retry_after_can_lengthen_the_delay_but_not_shorten_it() -> None:
    assert retry_delay(1, 0.0, 7.0) == 7.0
    assert retry_delay(6, 0.0, 1.0) == 7.5
    assert retry_delay(6, 0.0, None) == 7.5


def test_poll_interval_grows_while_nothing_changes() -> None:
    pauses = [poll_interval(n) for n in (0, 1, 2, 5, 10_000)]
    assert pauses == [2.0, 3.0, 4.5, 10.0, 10.0]
