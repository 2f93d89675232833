"""Background tasks survive faults."""

import asyncio
import logging

import pytest
from prometheus_client import REGISTRY

from wherry_api import components
from wherry_api.components import run_forever

FAULTS = ("wherry_api_faults_total", {"route": "background"})


async def test_a_fault_is_logged_and_counted_and_the_task_restarted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(components, "RESTART_SECONDS", 0.0)
    before = REGISTRY.get_sample_value(*FAULTS)
    assert before is not None
    begun = 0
    goes_on = asyncio.Event()

    async def run() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise RuntimeError(f"made up {begun}")
        goes_on.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run_forever("thing", run))
    await goes_on.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == 3
    assert REGISTRY.get_sample_value(*FAULTS) == before + 2
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "the background task thing failed and is restarted" in errors[0].getMessage()
    assert "made up 1" in caplog.text
