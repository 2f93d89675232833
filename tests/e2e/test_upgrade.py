"""An upgrade and a rollback under load: no job is ended, no request lost, no stream broken."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.e2e.conftest import Trial
from tests.e2e.traffic import Traffic
from tests.harness.waiting import eventually
from trial import chart

DELAY_MS: Final = 8_000
BEFORE: Final[dict[str, Any]] = {
    "operator.replicas": 2,
    "api.replicas": 2,
    "api.drainSeconds": 5,
    "runner.downloadDelay": {"enabled": True, "minMs": DELAY_MS, "maxMs": DELAY_MS},
}
LABEL: Final = {"wherry-e2e": "after"}
AFTER: Final = BEFORE | {f"{program}.podLabels": LABEL for program in ("api", "operator", "runner")}
RUNNERS: Final = "app.kubernetes.io/component=runner"


@pytest.fixture
def two_of_each(trial: Trial) -> Iterator[Trial]:
    """The trial with two pods of API and operator, and runners that take their time."""
    chart.install(trial.cluster, BEFORE, print)
    yield trial
    chart.install(trial.cluster, {}, print)


@dataclass
class Seen:
    """What was seen of the runner pods."""

    templates: dict[str, bool] = field(default_factory=dict)
    """By uid: whether the pod is of the new template."""


@asynccontextmanager
async def watching(trial: Trial) -> AsyncIterator[Seen]:
    """Look at the runner pods twice a second while open."""
    seen = Seen()

    async def look() -> None:
        while True:
            words = ("get", "pods", "--selector", RUNNERS, "--output", "json")
            found = json.loads(await asyncio.to_thread(trial.kubectl, *words))
            for pod in found["items"]:
                labels = pod["metadata"]["labels"]
                seen.templates[pod["metadata"]["uid"]] = LABEL.items() <= labels.items()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(look())
    yield seen
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def uids(trial: Trial, component: str) -> set[str]:
    """Return the uids of a component's pods."""
    selector = f"app.kubernetes.io/component={component}"
    found = json.loads(trial.kubectl("get", "pods", "--selector", selector, "--output", "json"))
    return {each["metadata"]["uid"] for each in found["items"]}


def in_phase(trial: Trial, phase: str) -> list[dict[str, Any]]:
    """Return the jobs in a phase."""
    selector = f"status.phase={phase}"
    words = ("get", "dlj", "--field-selector", selector, "--output", "json")
    found: list[dict[str, Any]] = json.loads(trial.kubectl(*words))["items"]
    return found


async def some_run(trial: Trial, count: int = 3) -> None:
    """Wait until so many jobs are being worked on."""
    await eventually(
        f"{count} jobs to run",
        lambda: asyncio.to_thread(in_phase, trial, "Processing"),
        lambda found: len(found) >= count,
        within=60,
        every=0.5,
    )


def rollback(trial: Trial) -> None:
    """Go back to the release before, and wait for its pods as an admin does."""
    words = ("rollback", chart.RELEASE, "--namespace", chart.NAMESPACE)
    trial.tools.helm(*words, "--wait", "--timeout", "300s")


async def test_jobs_requests_and_streams_survive_an_upgrade_and_a_rollback(
    two_of_each: Trial,
) -> None:
    trial = two_of_each
    traffic = Traffic(trial.cluster.api_url, [70_000, 70_001])
    before = {each: uids(trial, each) for each in ("api", "operator")}
    async with watching(trial) as seen:
        traffic.start()
        await some_run(trial)
        await asyncio.to_thread(chart.install, trial.cluster, AFTER, print)
        await some_run(trial)
        await asyncio.to_thread(rollback, trial)
        await some_run(trial)
        await traffic.stop(within=90)
    for component, old in before.items():
        assert not old & await asyncio.to_thread(uids, trial, component), f"{component} stayed"
    assert set(seen.templates.values()) == {False, True}, "no runner of the new template was seen"

    assert traffic.errors == []
    assert sorted(traffic.completed) == sorted(traffic.posted)
    assert traffic.goodbyes, "no stream was open while its API pod was replaced"
    done = {each["metadata"]["name"]: each for each in in_phase(trial, "Completed")}
    assert set(traffic.posted) <= set(done)
    for name in traffic.posted:
        status = done[name]["status"]
        assert status["attempt"] == 1, f"{name}: {status.get('failures')}"
        assert not status.get("failures")
