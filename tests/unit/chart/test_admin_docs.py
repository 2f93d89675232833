"""The values, variables and reasons that the admin's pages name exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import generate_settings_page
from tests.unit.chart.renders import CHART, ROOT

PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "alerts").glob("*.md")])
ADMINS = ("install", "upgrade", "backup", "sizing", "tuning", "troubleshooting", "observability")
ADMIN_PAGES = [page for page in PAGES if page.stem in ADMINS or page.parent.name == "alerts"]
PROGRAMS = ("api", "core", "jobrunner", "operator")
admin_pages = pytest.mark.parametrize("page", ADMIN_PAGES, ids=lambda page: page.stem)


def value_names(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all values and groups."""
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from value_names(value, f"{prefix}{key}.")


@admin_pages
def test_every_value_exists_in_the_chart(page: Path) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    groups = "|".join(key for key, value in values.items() if isinstance(value, dict) and value)
    known = set(value_names(values))
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"(?:`|--set |--set-json ')((?:{groups})\.[\w.]+)", text):
        parts = name.split(".")
        assert any(".".join(parts[:length]) in known for length in range(2, len(parts) + 1)), name


@admin_pages
def test_every_variable_is_read_by_a_program(page: Path) -> None:
    known = set(re.findall(r"`(WHERRY_\w+)`", generate_settings_page.page()))
    for name in re.findall(r"`(WHERRY_[A-Z0-9_]+)\b", page.read_text(encoding="utf-8")):
        assert name in known, name


def test_the_reasons_of_the_troubleshooting_page_exist() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for program in PROGRAMS
        for path in (ROOT / program).rglob("*.py")
    )
    reasons = re.findall(
        r"\b(?:Runner|Store|Files|Queue|Deadline|Pool|Max|Out|No)[A-Z][a-z]\w+\b", page
    )
    assert len(set(reasons)) > 10
    for reason in set(reasons) - {"RunnerPool", "NotFound"}:
        assert f'"{reason}"' in sources, reason
