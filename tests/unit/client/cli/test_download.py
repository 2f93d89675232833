"""Check the target of a download before the job, and its content afterwards."""

import zipfile
from pathlib import Path

import pytest

from wherry_client.cli.download import check_target, is_misnamed


def test_valid_targets(tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    check_target(None, force=False)
    check_target(tmp_path, force=False)
    check_target(tmp_path / "new.zip", force=False)
    check_target(tmp_path / "there.zip", force=True)


def test_invalid_targets(tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    with pytest.raises(FileExistsError, match=r"there\.zip exists already"):
        check_target(tmp_path / "there.zip", force=False)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        check_target(tmp_path / "away" / "new.zip", force=True)


def test_a_single_file_saved_as_zip_is_misnamed(tmp_path: Path) -> None:
    single, other, archive = (tmp_path / name for name in ("one.zip", "one.jpg", "two.ZIP"))
    single.write_bytes(b"a picture")
    other.write_bytes(b"a picture")
    with zipfile.ZipFile(archive, "w"):
        pass
    assert [is_misnamed(path) for path in (single, other, archive)] == [True, False, False]
