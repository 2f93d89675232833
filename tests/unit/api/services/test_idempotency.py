"""Which job an idempotency key names, and when a request is the same."""

import uuid
from typing import Any

import pytest

from wherry_api.services.idempotency import job_name, same_request
from wherry_api.services.job_requests import JobRequest
from wherry_core.resources import DownloadJob, OnMissing
from wherry_core.resources.names import REQUEST_DIGEST_ANNOTATION

REQUEST = JobRequest(("1", "2"), archive_name="a.zip", key="k")


def job(spec: dict[str, Any], **annotations: str) -> DownloadJob:
    return DownloadJob.model_validate(
        {"metadata": {"name": "x", "annotations": annotations}, "spec": spec}
    )


def test_a_key_names_one_job_of_one_tenant() -> None:
    assert job_name("a", "k") == job_name("a", "k")
    assert len({job_name("a", "k"), job_name("b", "k"), job_name("a", "l")}) == 3
    assert uuid.UUID(job_name("a", "k")).version == 5


def test_a_name_without_a_key_is_random() -> None:
    assert job_name("a", None) != job_name("a", None)
    assert uuid.UUID(job_name("a", None)).version == 4


def test_the_digest_decides_whatever_the_default_pool_is() -> None:
    spec = REQUEST.spec("old-pool")
    made = job(spec, **{REQUEST_DIGEST_ANNOTATION: REQUEST.digest})
    assert same_request(made, REQUEST, "new-pool")
    assert not same_request(made, JobRequest(("1",), key="k"), "new-pool")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (REQUEST, True),
        (JobRequest(("2", "1"), archive_name="a.zip", key="k"), False),
        (JobRequest(("1", "2"), key="k"), False),
        (JobRequest(("1", "2"), "a.zip", OnMissing.MANIFEST, "k"), False),
    ],
)
def test_a_job_without_a_digest_is_compared_by_its_spec(other: JobRequest, same: bool) -> None:
    assert same_request(job(REQUEST.spec("default")), other, "default") is same
