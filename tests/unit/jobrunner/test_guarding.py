import pytest

from wherry_jobrunner import guarding, metrics
from wherry_jobrunner.guarding import guarded


async def test_a_failing_loop_is_counted_logged_and_run_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guarding, "PAUSE_SECONDS", 0)
    rounds: list[int] = []

    async def loop() -> None:
        rounds.append(1)
        if len(rounds) < 3:
            raise ValueError("broken")

    counted = metrics.FAULTS.labels("the loop")
    before = counted._value.get()
    await guarded("the loop", loop, {"job": "a/b"})
    assert len(rounds) == 3
    assert counted._value.get() == before + 2
    assert [record.__dict__["job"] for record in caplog.records] == ["a/b", "a/b"]
