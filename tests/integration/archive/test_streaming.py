"""Archives that are streamed, from and into real stores."""

import io
import json
import zipfile
import zlib

from tests.integration.archive.conftest import Bench

MIB = 1 << 20


def pattern(seed: int, size: int) -> bytes:
    """Return bytes that are cheap to generate and differ at every offset."""
    block = bytes((seed * 31 + n * 7) % 251 for n in range(4099))
    return (block * (size // len(block) + 1))[:size]


async def test_files_of_all_sizes_come_back_unchanged(bench: Bench) -> None:
    contents = {
        "empty": b"",
        "one": b"1",
        "small ünï.txt": b"small" * 1000,
        "middle": pattern(1, 6 * MIB),
        "large": pattern(2, 40 * MIB + 17),
        "last": b"end",
    }
    for name, body in contents.items():
        await bench.put(name, body)
    result = await bench.bundle(list(contents))
    archive = await bench.get(result.archive.key)
    assert len(archive) == result.archive.size
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.namelist() == [*contents, "manifest.json"]
        assert {name: opened.read(name) for name in contents} == contents
        listed = json.loads(opened.read("manifest.json"))["files"]
    assert [item["crc32"] for item in listed] == [f"{zlib.crc32(b):08x}" for b in contents.values()]
    assert result.progress.completed_files == len(contents)
    assert result.progress.completed_bytes == sum(map(len, contents.values()))
    assert bench.reports[-1] == result.progress
    assert result.archive.checksum.startswith("CRC32:")
    assert await bench.uploads() == []
