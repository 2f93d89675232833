"""Creates beyond the limit are refused at once and counted."""

from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from wherry_api.http import problems
from wherry_api.http.problems import ProblemError
from wherry_api.http.slots import Slots
from wherry_api.services.job_resources import JobResources

REFUSED = ("wherry_api_refused_total", {"limit": "creates"})


class NeverAsked:
    """An API server that fails the test when it receives a request."""

    async def request(self, *_: Any, **__: Any) -> None:
        """Fail the test."""
        raise AssertionError("the API server was asked")


async def test_a_create_that_finds_the_queue_full_is_refused_with_retry_after() -> None:
    slots = Slots(1, waiting=0, patience_seconds=60)
    jobs = JobResources(cast("Any", NeverAsked()), slots)
    before = REGISTRY.get_sample_value(*REFUSED) or 0

    async with slots.slot("other"):
        with pytest.raises(ProblemError) as caught:
            await jobs.create({"metadata": {"namespace": "tenant", "name": "name"}})

    assert caught.value.kind is problems.UNAVAILABLE
    assert caught.value.headers == {"Retry-After": "5"}
    assert (REGISTRY.get_sample_value(*REFUSED) or 0) == before + 1
