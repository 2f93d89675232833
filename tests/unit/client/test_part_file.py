"""Files that get their name when they are whole, on a real disk."""

import os
from pathlib import Path

import pytest

from wherry_client.download_plan import PartRecord
from wherry_client.errors import DownloadError
from wherry_client.part_file import closing_part

RECORD = PartRecord("job", '"a"', 6)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_part_is_kept_and_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    with closing_part(target) as part:
        assert part.open() == 0
        assert part.read_record() is None
        part.begin_at(0, RECORD)
        part.write(b"abcdef")
    assert names_in(tmp_path) == ["out.zip.part", "out.zip.part.json"]
    with closing_part(target) as part:
        assert part.open() == 6
        assert part.read_record() == RECORD
        part.begin_at(3, RECORD)
        part.write(b"xyz")
        part.finish(overwrite=False)
    assert names_in(tmp_path) == ["out.zip"]
    assert target.read_bytes() == b"abcxyz"


def test_an_empty_part_is_not_left_behind(tmp_path: Path) -> None:
    with closing_part(tmp_path / "out.zip") as part:
        part.open()
        part.begin_at(0, RECORD)
    assert names_in(tmp_path) == []


def test_a_file_that_came_meanwhile_is_written_over_only_if_asked(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    with closing_part(target) as part:
        part.open()
        part.write(b"new")
        target.write_bytes(b"old")
        with pytest.raises(FileExistsError, match="meanwhile"):
            part.finish(overwrite=False)
        assert target.read_bytes() == b"old"
        part.finish(overwrite=True)
    assert target.read_bytes() == b"new"


def test_two_downloads_to_one_file(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    with closing_part(target) as first, closing_part(target) as second:
        first.open()
        first.write(b"all")
        with pytest.raises(DownloadError, match="under way"):
            second.open()
        first.finish(overwrite=False)
    assert target.read_bytes() == b"all"


def test_a_download_that_ends_while_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.zip"
    (tmp_path / "out.zip.part").write_bytes(b"all")
    opening = os.open

    def finish_in_between(path: Path, flags: int, mode: int) -> int:
        number = opening(path, flags, mode)
        path.rename(target)
        return number

    monkeypatch.setattr("wherry_client.part_file.os.open", finish_in_between)
    with closing_part(target) as part, pytest.raises(DownloadError, match="under way"):
        part.open()
    assert target.read_bytes() == b"all"
