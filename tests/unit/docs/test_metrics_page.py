"""docs/observability.md lists exactly the metrics that the programs export."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
PROGRAMS: Final = ("api", "core", "jobrunner", "operator")


def exported() -> set[str]:
    """Return the metric names in the sources, without the suffix of counters."""
    sources = [path for program in PROGRAMS for path in (ROOT / program).rglob("*metrics.py")]
    assert len(sources) >= len(PROGRAMS)
    names = {
        name
        for path in sources
        for name in re.findall(r'"(wherry_[a-z0-9_]+)"', path.read_text(encoding="utf-8"))
    }
    return {name.removesuffix("_total") for name in names}


def on_the_page() -> set[str]:
    """Return the metric names in the first column of the table."""
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`wherry_[^|]*) \|", page, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`(wherry_[a-z0-9_]+)", cell)}
    return {name.removesuffix("_total") for name in names}


def test_the_page_lists_exactly_the_exported_metrics() -> None:
    assert exported() == on_the_page()
