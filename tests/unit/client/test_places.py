"""Where an archive can be saved, looked at before a job is asked for."""

from pathlib import Path

import pytest

from wherry_client.cli.going_on import check_place


def test_places_that_will_do(tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    check_place(None, force=False)
    check_place(tmp_path, force=False)
    check_place(tmp_path / "new.zip", force=False)
    check_place(tmp_path / "there.zip", force=True)


def test_places_that_will_not(tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    with pytest.raises(FileExistsError, match=r"there\.zip exists already"):
        check_place(tmp_path / "there.zip", force=False)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        check_place(tmp_path / "away" / "new.zip", force=True)
