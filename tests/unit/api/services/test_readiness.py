"""Readiness by the dependencies that answer, and what counts as an answer of the store."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from wherry_api.services.readiness import fault_of, readiness_of


@pytest.mark.parametrize(
    ("kubernetes", "redis", "store", "ready", "status"),
    [
        (True, True, True, True, "ok"),
        (True, True, False, True, "degraded"),
        (True, False, True, True, "degraded"),
        (False, True, True, True, "degraded"),
        (False, True, False, True, "degraded"),
        # A store alone answers no request.
        (False, False, True, False, "unavailable"),
        (False, False, False, False, "unavailable"),
    ],
)
def test_readiness(kubernetes: bool, redis: bool, store: bool, ready: bool, status: str) -> None:
    up = {"kubernetes": kubernetes, "redis": redis, "store": store}
    assert readiness_of(up, draining=False) == (ready, status)
    assert readiness_of(up, draining=True) == (False, "draining")


@pytest.mark.parametrize(
    ("status", "fault"),
    [(301, None), (403, None), (404, None), (500, "status 500"), (503, "status 503")],
)
def test_a_refusal_of_the_store_is_an_answer(status: int, fault: str | None) -> None:
    response = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert fault_of(ClientError(response, "HeadBucket")) == fault


@pytest.mark.parametrize(
    "error",
    [EndpointConnectionError(endpoint_url="http://x"), NoCredentialsError(), OSError("no route")],
)
def test_no_answer_and_missing_credentials_are_faults(error: Exception) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert fault.startswith(type(error).__name__)
