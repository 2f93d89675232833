import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError

from wherry_core.resources import Archive
from wherry_core.resources.download_job import OnMissing
from wherry_jobrunner import simulated_delay
from wherry_jobrunner.archive.interface import ArchiveProgress, ArchiveRequest, ArchiveResult
from wherry_jobrunner.settings import RunnerSettings
from wherry_jobrunner.simulated_delay import delayed, slices

ON = {
    "WHERRY_RUNNER_NAME": "default-runner-0",
    "DOWNLOAD_DELAY_ENABLED": "true",
    "DOWNLOAD_DELAY_MIN_MS": "50",
    "DOWNLOAD_DELAY_MAX_MS": "60",
}
REQUEST = ArchiveRequest(
    "tenant", "uid-1", 1, ("1", "2", "2"), "a.zip", OnMissing.FAIL, "tenant/job"
)
RESULT = ArchiveResult(
    Archive(bucket="b", key="k", name="a.zip", size=1), ArchiveProgress(2, 2, 0, 9, 9)
)


async def bundle(*_: Any, **__: Any) -> ArchiveResult:
    await asyncio.sleep(0)
    return RESULT


def settings(**variables: str) -> RunnerSettings:
    return RunnerSettings.model_validate(ON | variables)


def test_without_a_delay_the_engine_is_called_directly() -> None:
    assert delayed(bundle, settings(DOWNLOAD_DELAY_ENABLED="false")) is bundle


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="DOWNLOAD_DELAY_MIN_MS must not be greater"):
        settings(DOWNLOAD_DELAY_MAX_MS="10")


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, []), (0.5, [0.5]), (2, [1, 1]), (2.25, [1, 1, 0.25])]
)
def test_slices_add_up(seconds: float, expected: list[float]) -> None:
    assert slices(seconds) == expected


async def test_progress_is_reported_during_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_delay, "SLICE_SECONDS", 0.01)
    reports: list[ArchiveProgress] = []
    began = time.monotonic()
    engine: Any = delayed(bundle, settings())
    assert await engine(REQUEST, None, None, report=reports.append) is RESULT
    assert time.monotonic() - began >= 0.05
    assert set(reports) == {ArchiveProgress(2, 0, 0, 0, 0)}
    assert len(reports) >= 4


async def test_a_cancelled_delay_ends_at_once() -> None:
    engine: Any = delayed(
        bundle, settings(DOWNLOAD_DELAY_MIN_MS="3600000", DOWNLOAD_DELAY_MAX_MS="3600000")
    )
    waiting = asyncio.create_task(engine(REQUEST, None, None, report=lambda _: None))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
