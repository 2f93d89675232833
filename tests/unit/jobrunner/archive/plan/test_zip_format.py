"""Archives at and over the limits of the classic format, read by other programs."""

import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.unit.jobrunner.archive.sources import planned, source, write, zeros_crc32
from wherry_jobrunner.archive.plan.zip_format import END, end_records, is_big

MIB = 1 << 20


@pytest.mark.parametrize("size", [0xFFFFFFFE, 0xFFFFFFFF, 4097 * MIB])
def test_a_file_around_four_gibibytes(tmp_path: Path, size: int) -> None:
    sources = [source(1, size, "large.bin"), source(2, 3, "after.txt")]
    crcs = [zeros_crc32(size), zlib.crc32(b"abc")]
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        write(planned(sources), file, lambda member: b"" if member == 0 else b"abc", crcs)
    with zipfile.ZipFile(path) as opened:
        info = opened.getinfo("large.bin")
        assert (info.file_size, info.CRC) == (size, crcs[0])
        assert (info.extract_version == 45) == is_big(size)
        assert opened.read("after.txt") == b"abc"


@pytest.mark.parametrize("count", [65_533, 65_534, 70_000])
def test_more_entries_than_the_classic_record_counts(tmp_path: Path, count: int) -> None:
    path = tmp_path / "many.zip"
    with path.open("wb") as file:
        sources = [source(number, 0) for number in range(count)]
        write(planned(sources), file, lambda member: b"", [0] * count)
    with zipfile.ZipFile(path) as opened:
        assert len(opened.namelist()) == count + 1
    # Exactly when needed: the sentinel 65,535 is itself a count that needs the larger record.
    tail = path.read_bytes()[-END.size - 20 :]
    assert tail.startswith(b"PK\x06\x07") == (count + 1 >= 65_535)
    subprocess.run(["unzip", "-tqq", str(path)], check=True)


def test_the_end_records_are_classic_while_everything_fits() -> None:
    assert len(end_records(65_534, 0xFFFFFFFE, 0xFFFFFFFE)) == END.size
    assert len(end_records(65_535, 1, 1)) == END.size + 76
    assert len(end_records(1, 1, 0xFFFFFFFF)) == END.size + 76
