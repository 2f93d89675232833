"""Zip slip: unpacking an archive writes nothing outside its folder, whatever the files' names."""

import subprocess
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from tests.harness.buckets import Bucket
from tests.integration.security.catalogue_server import catalogue_of
from wherry_core import object_store
from wherry_core.resources import OnMissing
from wherry_jobrunner.archive import ArchiveRequest, ArchiveSettings, bundle

NAMES = (
    "../escaped",
    "../../../../../../tmp/wherry-escaped",
    "/tmp/wherry-escaped",  # noqa: S108
    "//server/share/x",
    "..\\escaped",
    "..\\..\\escaped",
    "C:\\escaped",
    "C:escaped",
    "a/../../escaped",
    "a/./../..//escaped",
    "....//escaped",
    "..",
    ".",
    "",
    "/",
    "%2e%2e%2fescaped",
    "\uff0e\uff0e\uff0fescaped",
    "\u2025/escaped",
    "..\u200b/escaped",
    "x\x00../../escaped",
    "x\n../escaped",
    "\u202e/../escaped",
    "~/escaped",
    "~root/escaped",
    "-rf",
    "--to-command=touch escaped",
    "@escaped",
    "con",
    "aux.txt",
    "file.txt:stream",
    "name.",
    "name ",
    "NAME.",
    "a",
    "a/b",
    "A/B",
    "manifest.json",
    "META-INF/MANIFEST.MF",
    "x" * 300,
    "/".join("deep" for _ in range(200)),
)
TOOLS: dict[str, Sequence[str]] = {
    "python": ["python3", "-m", "zipfile", "-e", "{archive}", "{folder}"],
    "unzip": ["unzip", "-q", "-o", "{archive}", "-d", "{folder}"],
    # The option ":" lets unzip follow "..", which it refuses by default.
    "unzip that trusts": ["unzip", "-q", "-o", "-:", "{archive}", "-d", "{folder}"],
    "7z": ["7z", "x", "-y", "-bd", "-o{folder}", "{archive}"],
    # P turns off bsdtar's own checks: it keeps absolute names and follows ".." and links.
    "bsdtar": ["bsdtar", "-x", "-P", "-f", "{archive}", "-C", "{folder}"],
    "jar": ["jar", "xf", "{archive}"],
}


@pytest.fixture
async def archive(in_store: Bucket, tmp_path: Path) -> Path:
    """An archive of files that a hostile catalogue named."""
    ids = [str(number) for number in range(len(NAMES))]
    await in_store.put_files({file_id: f"file {file_id}".encode() for file_id in ids})

    async def answer(request: web.Request) -> web.Response:
        asked = (await request.json())["ids"]
        files = [
            {"id": file_id, "key": f"files/{file_id}", "name": NAMES[int(file_id)]}
            for file_id in asked
        ]
        return web.Response(body=orjson.dumps({"files": files}))

    request = ArchiveRequest(
        namespace="team-a",
        uid=str(uuid.uuid4()),
        attempt=1,
        file_ids=tuple(ids),
        archive_name="hostile.zip",
        on_missing=OnMissing.FAIL,
        job="team-a/job",
    )
    async with catalogue_of(answer) as catalogue, object_store.connect(in_store.settings) as client:
        tuning = ArchiveSettings.model_validate({"WHERRY_CATALOGUE_URL": catalogue.url})
        result = await bundle(
            request,
            client,
            in_store.settings,
            report=lambda _: None,
            archive_settings=tuning,
        )
    path = tmp_path / "hostile.zip"
    path.write_bytes(await in_store.read(result.archive.key))
    return path


@pytest.fixture
def jail(tmp_path: Path) -> Path:
    """A folder so deep that a few ".." still end in the test's own folder."""
    deep = tmp_path / "jail" / "1" / "2" / "3" / "4" / "inside"
    deep.mkdir(parents=True)
    return deep


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_written_outside(archive: Path, jail: Path, tool: str) -> None:
    words = [word.format(archive=archive, folder=jail) for word in TOOLS[tool]]
    done = subprocess.run(words, cwd=jail, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    everything = [path for path in (archive.parent / "jail").rglob("*") if not path.is_dir()]
    assert not [path for path in everything if not path.is_relative_to(jail)]
    assert not [path for path in everything if path.is_symlink()]
    assert not list(Path("/tmp").glob("*wherry-escaped*"))  # noqa: S108
    # Every file exists under its own name: no tool refused one.
    contents = {path.read_text() for path in everything}
    assert contents >= {f"file {number}" for number in range(len(NAMES))}


def test_the_directory_says_what_the_entries_say(archive: Path) -> None:
    """A name that differs between the two could be checked in one and used from the other."""
    with zipfile.ZipFile(archive) as whole:
        names = whole.namelist()
        assert len({name.casefold() for name in names}) == len(names)
        # And manifest.json, a name that no file gets.
        assert len(names) == len(NAMES) + 1
        for entry in whole.infolist():
            # Raises BadZipFile when the local header has another name.
            with whole.open(entry) as member:
                assert member.read(1)
            assert not entry.is_dir()
            assert (entry.external_attr >> 16) & 0o170000 in {0, 0o100000}
