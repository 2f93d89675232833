"""The CRD files in crds/ are what the models say."""

from pathlib import Path

import pytest

from generate_crds import rendered


@pytest.mark.parametrize("path", sorted(rendered()), ids=lambda path: path.name)
def test_no_drift(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == rendered()[path], "run make generate"
