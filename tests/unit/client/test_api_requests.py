"""URLs, job ids and header values that a caller passes."""

import pytest

from wherry_client import SyncWherryClient, WherryClient
from wherry_client.api_requests import base_url, job_path
from wherry_client.errors import BadArgumentError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000/"),
        ("https://example.com/wherry/", "https://example.com/wherry/"),
    ],
)
def test_base_url_ends_with_a_slash(url: str, expected: str) -> None:
    assert base_url(url) == expected


@pytest.mark.parametrize(
    "url", ["", "localhost:3000", "ftp://x", "http://", "http://x/?a=b", "http://x:y"]
)
def test_constructor_rejects_an_invalid_url(url: str) -> None:
    with pytest.raises(BadArgumentError, match="URL"):
        WherryClient(url)
    with pytest.raises(BadArgumentError, match="URL"):
        SyncWherryClient(url)


def test_job_path() -> None:
    assert job_path("0c5b-1", "status") == "v1/download/status/0c5b-1"
    assert job_path("0c5b-1", after="retry") == "v1/download/0c5b-1/retry"


@pytest.mark.parametrize("job_id", ["", ".", "..", "a/b", "a?b", "ä", "a b", "x" * 300])
def test_job_path_rejects_an_impossible_id(job_id: str) -> None:
    with pytest.raises(BadArgumentError, match="not a job id"):
        job_path(job_id)


@pytest.mark.parametrize("text", ["…", "key\n", " key", "a\tb"])
def test_invalid_header_values_are_rejected_and_not_repeated(text: str) -> None:
    with pytest.raises(BadArgumentError, match="The token contains") as refused:
        WherryClient("http://127.0.0.1:3000", token=text)
    assert text not in str(refused.value)
    with pytest.raises(BadArgumentError, match="tenant"):
        SyncWherryClient("http://127.0.0.1:3000", tenant=text)
