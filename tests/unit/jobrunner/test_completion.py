"""The record of an outcome, with an API server that answers what no real one can be asked for."""

import asyncio
from collections.abc import Callable
from itertools import repeat
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.jobrunner.builders import CLAIM, NOW, claimed, job
from wherry_core.kubernetes.errors import KubernetesError, error_of
from wherry_core.resources import Archive, DownloadJob
from wherry_core.settings import LifetimeSettings, StoreSettings
from wherry_jobrunner import completion as completion_module
from wherry_jobrunner.archive.interface import ArchiveError, ArchiveProgress, ArchiveResult
from wherry_jobrunner.completion import Completion, Outcome
from wherry_jobrunner.progress.progress import initial_progress

KEY = "archives/tenant/uid-1/2/a.zip"
RESULT = ArchiveResult(
    Archive(bucket="b", key=KEY, name="a.zip", size=7), ArchiveProgress(3, 3, 0, 9, 9)
)
CONFLICT = error_of(409, {"reason": "Conflict"})
REFUSED = error_of(422, {"reason": "Invalid"})
MISSING = error_of(404, {"details": {"name": "job"}})
SETTINGS = StoreSettings.model_validate(
    {"WHERRY_SOURCE_BUCKET": "sources", "WHERRY_ARCHIVE_BUCKET": "archives"}
)


OTHER = {
    "type": "Other",
    "status": "True",
    "reason": "R",
    "lastTransitionTime": "2030-01-02T03:00:00Z",
}


class Server:
    """Answers patches with what ``answer`` returns for each, and reads with ``found``."""

    def __init__(self, found: DownloadJob, answer: Callable[[int], KubernetesError | None]) -> None:
        self.found = found
        self.patches: list[list[dict[str, Any]]] = []
        self.clock = SimpleNamespace(now=lambda: NOW)
        self._answer = answer

    async def read_job(self, *_: Any, **__: Any) -> DownloadJob:
        await asyncio.sleep(0)
        return self.found

    async def patch_status(
        self, namespace: str, name: str, patch: list[dict[str, Any]], *, patience_seconds: float
    ) -> DownloadJob:
        assert (namespace, name) == ("tenant", "job")
        assert patience_seconds >= 0
        await asyncio.sleep(0)
        self.patches.append(patch)
        error = self._answer(len(self.patches))
        if error is not None:
            raise error
        return self.found


class Nothing:
    """A link to Redis, or a store, that is used as little as the test says."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, *_: Any, **__: Any) -> bool:
        await asyncio.sleep(0)
        self.sent += 1
        return True


def completion(server: Server, patience_seconds: float = 900) -> tuple[Completion, Nothing]:
    redis = Nothing()
    dependencies: Any = SimpleNamespace(
        jobs=server,
        redis=redis,
        lifetimes=LifetimeSettings(),
        store_settings=SETTINGS,
        settings=SimpleNamespace(completion_patience_seconds=patience_seconds),
    )
    return Completion(dependencies, CLAIM, claimed(), initial_progress(claimed()), 5), redis


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion_module, "pauses", lambda _: repeat(0.0))


@pytest.mark.parametrize("error", [CONFLICT, REFUSED])
async def test_an_archive_is_not_given_up_however_often_others_change_the_job(
    error: KubernetesError,
) -> None:
    def answer(number: int) -> KubernetesError | None:
        # Each time, somebody has added a condition meanwhile, or removed it.
        server.found = claimed(conditions=[OTHER]) if number % 2 else claimed()
        return error if number < 16 else None

    server = Server(claimed(), answer)
    tested, _ = completion(server)
    assert await tested.complete(RESULT) is Outcome.COMPLETED
    assert len(server.patches) == 16


async def test_a_refusal_of_the_contents_fails_the_attempt() -> None:
    server = Server(claimed(), lambda number: REFUSED if number == 1 else None)
    tested, redis = completion(server)
    assert await tested.complete(RESULT) is Outcome.FAILED
    assert len(server.patches) == 2
    assert redis.sent == 0


async def test_a_lost_answer_is_recognized_in_the_job() -> None:
    done = claimed(phase="Completed", archive=RESULT.archive.to_wire())
    server = Server(done, lambda _: CONFLICT)
    tested, _ = completion(server)
    assert await tested.complete(RESULT) is Outcome.COMPLETED
    assert len(server.patches) == 1


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (claimed(attempt=3), Outcome.FENCED),
        (claimed(runnerUID="pod-uid-2"), Outcome.FENCED),
        (claimed(phase="Cancelled"), Outcome.CANCELLED),
    ],
)
async def test_only_a_fenced_claim_gives_an_archive_up(
    found: DownloadJob, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[DownloadJob | None] = []

    async def remove(_: Completion, seen: DownloadJob | None) -> None:
        await asyncio.sleep(0)
        removed.append(seen)

    monkeypatch.setattr(Completion, "_remove", remove)
    tested, redis = completion(Server(found, lambda _: REFUSED))
    assert await tested.complete(RESULT) is outcome
    assert removed == [found]
    assert redis.sent == 0


async def test_a_runner_that_runs_out_of_patience_says_so() -> None:
    tested, _ = completion(Server(claimed(), lambda _: CONFLICT), patience_seconds=0.05)
    assert await tested.complete(RESULT) is Outcome.GAVE_UP


async def test_a_deleted_job_gets_no_snapshot_but_the_record_of_its_deletion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def remove(_: Completion, seen: DownloadJob | None) -> None:
        await asyncio.sleep(0)
        assert seen is None

    async def read(*_: Any, **__: Any) -> DownloadJob:
        await asyncio.sleep(0)
        raise MISSING

    published: list[str] = []

    async def publish(*_: Any) -> None:
        published.append("snapshot")

    async def record_deletion(*_: Any) -> None:
        published.append("deletion")

    monkeypatch.setattr(Completion, "_remove", remove)
    monkeypatch.setattr(completion_module, "publish", publish)
    monkeypatch.setattr(completion_module, "record_deletion", record_deletion)
    server = Server(job(), lambda _: MISSING)
    monkeypatch.setattr(server, "read_job", read)
    tested, _ = completion(server)
    assert await tested.complete(RESULT) is Outcome.DELETED
    assert published == ["deletion"]


async def test_a_failure_is_recorded_by_the_api_server_s_clock() -> None:
    server = Server(claimed(), lambda _: None)
    tested, _ = completion(server)
    error = ArchiveError("StoreUnavailable", "No answer.", retryable=True)
    assert await tested.fail(error) is Outcome.FAILED
    added: dict[str, Any] = {
        op["path"]: op["value"] for op in server.patches[0] if op["op"] == "add"
    }
    (failure,) = added["/status/failures"]
    assert failure["time"] == "2030-01-02T03:04:05Z"
