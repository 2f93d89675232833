"""An archive over four gibibytes, read completely by other programs."""

import subprocess
import zlib
from pathlib import Path

import pytest

from tests.unit.jobrunner.archive.sources import planned, source, write, zeros_crc32

SIZE = (4 << 30) + 12_345
NAMES = ["large.bin", "after.txt", "manifest.json"]
JAVA_LISTER = """
import java.util.zip.*;
public class List {
    public static void main(String[] names) throws Exception {
        try (ZipFile file = new ZipFile(names[0])) {
            file.stream().forEach(e -> System.out.println(e.getName() + " " + e.getSize()));
            System.out.write(file.getInputStream(file.getEntry("after.txt")).readAllBytes());
        }
    }
}
"""


@pytest.fixture(scope="module")
def large_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse file: the zeros of the large member use no disk space."""
    path = tmp_path_factory.mktemp("large") / "large.zip"
    sources = [source(1, SIZE, "large.bin"), source(2, 3, "after.txt")]
    with path.open("wb") as file:
        crcs = [zeros_crc32(SIZE), zlib.crc32(b"abc")]
        write(planned(sources), file, lambda member: b"" if member == 0 else b"abc", crcs)
    return path


@pytest.mark.parametrize("words", [["unzip", "-tqq"], ["7z", "t", "-bd"]])
def test_every_checksum_is_right(large_archive: Path, words: list[str]) -> None:
    subprocess.run([*words, str(large_archive)], check=True, capture_output=True)


@pytest.mark.parametrize("words", [["bsdtar", "-tf"], ["jar", "tf"]])
def test_every_name_is_listed(large_archive: Path, words: list[str]) -> None:
    done = subprocess.run([*words, str(large_archive)], check=True, capture_output=True, text=True)
    assert done.stdout.split() == NAMES


def test_java_finds_what_lies_beyond_four_gibibytes(large_archive: Path, tmp_path: Path) -> None:
    program = tmp_path / "List.java"
    program.write_text(JAVA_LISTER)
    done = subprocess.run(
        ["java", str(program), str(large_archive)], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[0] == f"large.bin {SIZE}"
    assert done.stdout.endswith("abc")
