import asyncio

import pytest

from wherry_jobrunner import metrics, supervision
from wherry_jobrunner.supervision import cancel_all, supervised


async def test_a_failing_loop_is_counted_logged_and_run_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "PAUSE_SECONDS", 0)
    rounds: list[int] = []

    async def loop() -> None:
        rounds.append(1)
        if len(rounds) < 3:
            raise ValueError("broken")

    counted = metrics.FAULTS.labels("the loop")
    before = counted._value.get()
    await supervised("the loop", loop, {"job": "a/b"})
    assert len(rounds) == 3
    assert counted._value.get() == before + 2
    assert [record.__dict__["job"] for record in caplog.records] == ["a/b", "a/b"]


async def test_a_task_that_did_not_hear_its_cancel_is_cancelled_again() -> None:
    deaf = 0

    async def loop() -> None:
        nonlocal deaf
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                deaf += 1
                if deaf > 1:
                    raise

    async def fail() -> None:
        raise ValueError("its own matter")

    tasks = [asyncio.create_task(loop()), asyncio.create_task(fail())]
    await asyncio.sleep(0)
    await cancel_all(tasks)
    assert deaf == 2
    assert all(task.done() for task in tasks)
    assert isinstance(tasks[1].exception(), ValueError)
