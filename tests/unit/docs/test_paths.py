"""The files, folders and tests that pages name in backticks exist."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.unit.docs.test_links import ROOT, pages

FOLDERS: Final = "api|client|core|crds|deploy|docs|hack|jobrunner|operator|tests|web"
PATH: Final = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
TEST: Final = re.compile(r"`(test_\w+\.py)`")
NOT_CHECKED: Final = {"CHANGELOG.md"}
"""It describes earlier versions, too."""
PAGES: Final = [page for page in pages() if page.name not in NOT_CHECKED]


def missing_paths(text: str) -> list[str]:
    """Return the paths in ``text`` that do not exist in the repository."""
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists()]
    return missing + [name for name in TEST.findall(text) if name not in tests]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_exist(page: Path) -> None:
    assert missing_paths(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_are_found(name: str) -> None:
    """Otherwise a change of the page's format would turn the test above off."""
    assert len(PATH.findall((ROOT / name).read_text(encoding="utf-8"))) > 5


def test_a_missing_path_is_found() -> None:
    text = "`core/wherry_core`, `core/wherry_core/nothing.py` and `test_nothing.py`"
    assert missing_paths(text) == ["core/wherry_core/nothing.py", "test_nothing.py"]
