from wherry_jobrunner.health import is_alive, readiness


def test_a_process_without_a_recent_heartbeat_is_not_alive() -> None:
    assert is_alive(100.0, 90.0)
    assert not is_alive(200.0, 90.0)


def test_a_runner_is_ready_while_it_can_take_jobs() -> None:
    assert readiness(leaving=False, redis_is_up=True) == (True, "ready")
    assert readiness(leaving=True, redis_is_up=True) == (False, "leaving")
    assert readiness(leaving=False, redis_is_up=False) == (False, "Redis is unavailable")
