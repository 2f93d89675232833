"""Files that get their final name when they are complete, on a real disk."""

import os
from pathlib import Path

import pytest

from wherry_client.errors import DownloadError
from wherry_client.part_file import closing_part
from wherry_client.resume import PartRecord

RECORD = PartRecord("job", '"a"', 6)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_part_is_kept_and_resumed(tmp_path: Path) -> None:
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


def test_an_empty_part_is_deleted(tmp_path: Path) -> None:
    with closing_part(tmp_path / "out.zip") as part:
        part.open()
        part.begin_at(0, RECORD)
    assert names_in(tmp_path) == []


def test_a_file_created_meanwhile_is_overwritten_only_on_request(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    with closing_part(target) as part:
        part.open()
        part.write(b"new")
        target.write_bytes(b"old")
        with pytest.raises(FileExistsError, match="during the download"):
            part.finish(overwrite=False)
        assert target.read_bytes() == b"old"
        part.finish(overwrite=True)
    assert target.read_bytes() == b"new"


def test_a_second_download_to_one_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    with closing_part(target) as first, closing_part(target) as second:
        first.open()
        first.write(b"all")
        with pytest.raises(DownloadError, match="in progress"):
            second.open()
        first.finish(overwrite=False)
    assert target.read_bytes() == b"all"


def test_a_download_that_finishes_while_another_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.zip"
    (tmp_path / "out.zip.part").write_bytes(b"all")
    opening = os.open

    def finish_before_open_returns(path: Path, flags: int, mode: int) -> int:
        number = opening(path, flags, mode)
        path.rename(target)
        return number

    monkeypatch.setattr("wherry_client.part_file.os.open", finish_before_open_returns)
    with closing_part(target) as part, pytest.raises(DownloadError, match="in progress"):
        part.open()
    assert target.read_bytes() == b"all"
