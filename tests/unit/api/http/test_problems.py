from pathlib import Path

from wherry_api.http.problems import PROBLEM_TYPES
from wherry_api.services.job_resources import SELECTORS
from wherry_core.job_snapshot import JobStatus

DOCUMENTATION = Path(__file__).parents[4] / "docs" / "api.md"


def test_every_problem_type_is_in_the_table_of_the_documentation() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    missing = [
        kind.slug for kind in PROBLEM_TYPES if f"| {kind.status} | `{kind.slug}` |" not in text
    ]
    assert missing == []
    assert len({kind.slug for kind in PROBLEM_TYPES}) == len(PROBLEM_TYPES)


def test_every_status_can_be_listed() -> None:
    assert set(SELECTORS) == set(JobStatus)
