"""Which names a job can have: those of Kubernetes (RFC 1123 subdomains)."""

import pytest

from wherry_api.dependencies import checked_name
from wherry_api.http.problems import ProblemError


@pytest.mark.parametrize("name", ["a", "0", "a-b", "backup.2030-01-01", "x" * 253])
def test_names_of_kubernetes_are_taken(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "x" * 254, "a/b", "a\n", "ä"]
)
def test_other_names_are_unknown_jobs(name: str) -> None:
    with pytest.raises(ProblemError) as caught:
        checked_name(name)
    assert caught.value.kind.status == 404
