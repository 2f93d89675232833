import asyncio
import random

import pytest
from pydantic import ValidationError

from wherry_jobrunner.settings import RunnerSettings
from wherry_jobrunner.simulated_delay import chosen_delay, slices, wait

NAME = {"WHERRY_RUNNER_NAME": "default-runner-0"}
ON = NAME | {
    "DOWNLOAD_DELAY_ENABLED": "true",
    "DOWNLOAD_DELAY_MIN_MS": "1500",
    "DOWNLOAD_DELAY_MAX_MS": "2500",
}


def test_no_delay_unless_it_is_switched_on() -> None:
    off = RunnerSettings.model_validate(ON | {"DOWNLOAD_DELAY_ENABLED": "false"})
    assert chosen_delay(off, random.uniform) == 0


def test_delay_lies_between_its_bounds() -> None:
    settings = RunnerSettings.model_validate(ON)
    assert chosen_delay(settings, lambda low, _: low) == 1.5
    assert chosen_delay(settings, lambda _, high: high) == 2.5


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="DOWNLOAD_DELAY_MIN_MS must not be greater"):
        RunnerSettings.model_validate(ON | {"DOWNLOAD_DELAY_MAX_MS": "1000"})


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, []), (0.5, [0.5]), (2, [1, 1]), (2.25, [1, 1, 0.25])]
)
def test_slices_add_up(seconds: float, expected: list[float]) -> None:
    assert slices(seconds) == expected


async def test_followers_hear_of_every_slice_and_a_cancelled_wait_ends() -> None:
    ticks: list[int] = []
    await wait(0.01, lambda: ticks.append(1))
    assert ticks == [1]
    long = asyncio.create_task(wait(3_600, lambda: ticks.append(2)))
    await asyncio.sleep(0)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    assert ticks == [1]
