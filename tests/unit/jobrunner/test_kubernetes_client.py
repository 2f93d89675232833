import asyncio
from itertools import islice, repeat
from typing import Any

import pytest

from tests.unit.jobrunner.builders import claimed
from wherry_core.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    error_of,
)
from wherry_jobrunner import kubernetes_client
from wherry_jobrunner.kubernetes_client import (
    LONGEST_PAUSE_SECONDS,
    JobClient,
    is_passing,
    pauses,
)

MISSING = {"kind": "Status", "code": 404, "details": {"name": "job", "kind": "downloadjobs"}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {}, True),
        (403, {}, True),
        (429, {}, True),
        (500, {}, True),
        (503, {}, True),
        (404, {}, True),
        (404, {"details": {}}, True),
        (404, MISSING, False),
        (409, {}, False),
        (422, {}, False),
        (400, {}, False),
    ],
)
def test_what_may_succeed_later(status: int, body: dict[str, Any], expected: bool) -> None:
    assert is_passing(error_of(status, body), "job") is expected


def test_pauses_grow_up_to_a_bound() -> None:
    found = list(islice(pauses(), 20))
    assert found[0] <= 0.2
    assert all(LONGEST_PAUSE_SECONDS / 2 <= each <= LONGEST_PAUSE_SECONDS for each in found[8:])
    assert max(islice(pauses(1.0), 20)) <= 1.0


class Answers:
    """A client that gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: KubernetesError | None) -> None:
        self.answers = list(answers)
        self.requests = 0

    async def request(self, method: str, path: str) -> dict[str, Any]:
        assert (method, path) == ("GET", "/apis/wherry.dev/v1/namespaces/tenant/downloadjobs/job")
        self.requests += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer
        return claimed().to_wire()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_client, "pauses", lambda: repeat(0.001))


async def read(client: Any, patience_seconds: float = 20.0) -> Any:
    return await JobClient(client).read_job("tenant", "job", patience_seconds=patience_seconds)


async def test_what_passes_is_waited_out() -> None:
    client = Answers(error_of(503, {}), error_of(401, {}), error_of(404, {}), None)
    assert (await read(client)).key == "tenant/job"
    assert client.requests == 4


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(404, MISSING, NotFoundError), (409, {}, ConflictError), (422, {}, RefusedError)],
)
async def test_what_does_not_pass_is_raised_at_once(
    status: int, body: dict[str, Any], kind: type[KubernetesError]
) -> None:
    client = Answers(error_of(status, body))
    with pytest.raises(kind):
        await read(client)
    assert client.requests == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(403, ForbiddenError), (401, UnavailableError), (404, UnavailableError)]
)
async def test_what_lasts_longer_than_the_patience_is_raised(
    status: int, kind: type[KubernetesError]
) -> None:
    with pytest.raises(kind):
        await read(Answers(error_of(status, {})), 0.02)


async def test_retry_after_longer_than_the_patience_ends_it() -> None:
    client = Answers(error_of(429, {}, retry_after_seconds=25))
    with pytest.raises(UnavailableError):
        await read(client)
    assert client.requests == 1
