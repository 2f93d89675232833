import json
import tarfile
from pathlib import Path

import pytest

from localcluster import baseimage, imagearchive, imagebuild, say
from localcluster.baseimage import Mirror

DOCKERFILE = """\
ARG BASE=x
FROM ${BASE} AS build
COPY a.lock deploy/b.lock ./
COPY --chown=1:1 \\
  src src
# COPY not this
FROM ${BASE}
COPY --from=build /opt /opt
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "src" / "__pycache__").mkdir(parents=True)
    for name in ("a.lock", "deploy/b.lock", "src/main.py", "other.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def digest(context: Path, base: str = "base:1") -> str:
    return imagebuild.digest(context / "Dockerfile", context, base)


def test_copied_paths() -> None:
    assert imagebuild.copied_paths(DOCKERFILE) == ["a.lock", "deploy/b.lock", "src"]


def test_the_digest_depends_on_sources_and_base_only(context: Path) -> None:
    before = digest(context)
    (context / "other.txt").write_text("changed")
    (context / "src" / "__pycache__" / "main.pyc").write_text("compiled")
    assert digest(context) == before
    assert digest(context, "base:2") != before
    (context / "src" / "main.py").write_text("changed")
    assert digest(context) != before


def test_a_missing_source_is_named(context: Path) -> None:
    (context / "a.lock").unlink()
    with pytest.raises(say.SetupError, match=r"a\.lock, which does not exist"):
        digest(context)


def test_certificates_and_settings_are_build_options_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, bundle = tmp_path / "pip.conf", tmp_path / "bundle.crt"
    settings.write_text("")
    bundle.write_text("")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    options = imagebuild.build_options(bundle)
    assert options == [
        *("--volume", f"{tmp_path}:/etc/ssl/certs:ro"),
        *("--build-arg", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"),
        *("--volume", f"{settings}:/etc/pip.conf:ro"),
        *("--build-arg", "PIP_INDEX_URL"),
    ]


def test_the_mirror_is_that_of_the_release_itself() -> None:
    targets = "\n".join(
        [
            "https://one.example/debian/|bookworm-updates|main",
            "https://two.example/debian/|bookworm|main",
            "https://two.example/debian/|bookworm|contrib",
            "https://other.example/x/|bookworm|nightly",
        ]
    )
    wanted = Mirror("bookworm", "https://two.example/debian/", ("main", "contrib"))
    assert baseimage.pick_mirror("bookworm", targets) == wanted
    assert baseimage.pick_mirror("trixie", targets) is None
    assert baseimage.suite('NAME="x"\nVERSION_CODENAME=bookworm\n') == "bookworm"
    assert baseimage.suite("NAME=x\n") is None


def test_an_image_archive_is_complete_and_reproducible(tmp_path: Path) -> None:
    for name in ("1.tar", "2.tar"):
        imagearchive.write(tmp_path / name, "localhost/x:1", {"x": b"program"}, ["/x"])
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as archive:
        names = archive.getnames()
        [manifest] = json.load(archive.extractfile("manifest.json") or pytest.fail("no manifest"))
        assert manifest["RepoTags"] == ["localhost/x:1"]
        assert {manifest["Config"], *manifest["Layers"]} <= set(names)
        config = json.load(archive.extractfile(manifest["Config"]) or pytest.fail("no config"))
    assert config["config"]["Entrypoint"] == ["/x"]
