"""An upgrade and a rollback under load: no job is ended, no request lost, no stream broken."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.e2e.release import INSTALL_TIMEOUT, RUNNERS, Release
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


@pytest.fixture
def two_of_each(release: Release) -> Iterator[Release]:
    """The own release with two pods of API and operator, and runners that take their time."""
    release.install(BEFORE)
    yield release
    release.install({})


@dataclass
class Seen:
    """What was seen of the runner pods."""

    templates: dict[str, bool] = field(default_factory=dict)
    """By uid: whether the pod is of the new template."""


@asynccontextmanager
async def watching(release: Release) -> AsyncIterator[Seen]:
    """Look at the runner pods twice a second while open."""
    seen = Seen()

    async def look() -> None:
        while True:
            for pod in await asyncio.to_thread(release.pods, RUNNERS):
                labels = pod["metadata"]["labels"]
                seen.templates[pod["metadata"]["uid"]] = LABEL.items() <= labels.items()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(look())
    yield seen
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def uids(release: Release, component: str) -> set[str]:
    """Return the uids of a component's pods."""
    found = release.pods(f"app.kubernetes.io/component={component}")
    return {each["metadata"]["uid"] for each in found}


def in_phase(release: Release, phase: str) -> list[dict[str, Any]]:
    """Return the release's jobs in a phase."""
    found: list[dict[str, Any]] = release.get("dlj", "--field-selector", f"status.phase={phase}")[
        "items"
    ]
    return found


async def jobs_at_work(release: Release, count: int = 3) -> None:
    """Wait until this many jobs are being worked on."""
    await eventually(
        f"{count} jobs to run",
        lambda: asyncio.to_thread(in_phase, release, "Processing"),
        lambda found: len(found) >= count,
        within=60,
        every=0.5,
    )


def rollback(release: Release) -> None:
    """Return to the revision before, and wait for its pods as an admin does."""
    release.helm("rollback", chart.RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)


async def test_jobs_requests_and_streams_survive_an_upgrade_and_a_rollback(
    two_of_each: Release,
) -> None:
    release = two_of_each
    traffic = Traffic(release.api_url, [70_000, 70_001])
    before = {each: uids(release, each) for each in ("api", "operator")}
    async with watching(release) as seen:
        traffic.start()
        await jobs_at_work(release)
        await asyncio.to_thread(release.install, AFTER)
        await jobs_at_work(release)
        await asyncio.to_thread(rollback, release)
        await jobs_at_work(release)
        await traffic.stop(within=180)
    for component, old in before.items():
        assert not old & await asyncio.to_thread(uids, release, component), f"{component} stayed"
    assert set(seen.templates.values()) == {False, True}, "no runner of the new template was seen"

    assert traffic.errors == []
    assert sorted(traffic.completed) == sorted(traffic.posted)
    assert traffic.goodbyes, "no stream was open while its API pod was replaced"
    done = {each["metadata"]["name"]: each for each in in_phase(release, "Completed")}
    assert set(traffic.posted) <= set(done)
    for name in traffic.posted:
        status = done[name]["status"]
        assert status["attempt"] == 1, f"{name}: {status.get('failures')}"
        assert not status.get("failures")
