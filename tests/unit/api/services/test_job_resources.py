"""Problems for the errors of the API server."""

from typing import Any, cast

import pytest

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError, ProblemType
from wherry_api.http.slots import Slots
from wherry_api.services.job_resources import JobResources
from wherry_core.kubernetes.errors import error_of, unreachable

MANIFEST = {"metadata": {"namespace": "tenant", "name": "job"}}


class Refusing:
    """An API server that answers every request with one error."""

    def __init__(self, status: int, **answer: Any) -> None:
        self.error = error_of(status, answer) if status else unreachable(OSError("refused"))

    async def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise self.error

    patch = request


def resources(status: int, **answer: Any) -> JobResources:
    slots = Slots(1, waiting=1, patience_seconds=1)
    return JobResources(cast("Any", Refusing(status, **answer)), slots)


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (0, {}, problems.UNAVAILABLE),
        (500, {"message": "etcdserver: request is too large"}, problems.BODY_TOO_LARGE),
        (403, {"message": "exceeded quota: jobs"}, problems.QUOTA_EXCEEDED),
        (403, {"message": "may not create"}, problems.UNAVAILABLE),
        (404, {"details": {"name": "tenant", "kind": "namespaces"}}, problems.UNAVAILABLE),
        (409, {"reason": "Conflict"}, problems.UNAVAILABLE),
        (422, {"message": "spec.pool: Invalid value"}, problems.INVALID_REQUEST),
    ],
)
async def test_a_refused_create(status: int, answer: dict[str, Any], kind: ProblemType) -> None:
    with pytest.raises(ProblemError) as caught:
        await resources(status, **answer).create(MANIFEST)
    assert caught.value.kind is kind


async def test_a_create_of_a_job_that_exists() -> None:
    assert not await resources(409, reason="AlreadyExists").create(MANIFEST)


async def test_a_job_that_does_not_exist() -> None:
    absent = resources(404, details={"name": "job"})
    assert await absent.get("tenant", "job") is None
    assert await absent.uid("tenant", "job") is None
    assert await absent.request_cancel("tenant", "job") is None


async def test_an_api_server_that_serves_no_jobs_yet_says_nothing_about_a_job() -> None:
    starting = resources(404, message="the server could not find the requested resource")
    for read in (starting.get, starting.uid, starting.request_cancel):
        with pytest.raises(ProblemError) as caught:
            await read("tenant", "job")
        assert caught.value.kind is problems.UNAVAILABLE
