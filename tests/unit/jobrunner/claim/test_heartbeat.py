import pytest

from wherry_jobrunner.claim.heartbeat import must_check_all
from wherry_jobrunner.health import is_alive, readiness


@pytest.mark.parametrize(
    ("gap", "deaf", "expected"),
    [(2.0, 0.0, False), (10.5, 0.0, True), (2.0, 10.5, True), (9.0, 9.0, False)],
)
def test_claims_are_checked_after_a_freeze_and_while_redis_is_away(
    gap: float, deaf: float, expected: bool
) -> None:
    assert must_check_all(gap, deaf) is expected


def test_probes() -> None:
    assert is_alive(100.0, 90.0)
    assert not is_alive(200.0, 90.0)
    assert readiness(leaving=False, redis_answers=True) == (True, "ready")
    assert readiness(leaving=True, redis_answers=True) == (False, "leaving")
    assert readiness(leaving=False, redis_answers=False) == (False, "Redis does not answer")
