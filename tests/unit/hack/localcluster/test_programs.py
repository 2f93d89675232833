"""Builds of programs, and the variables that select programs that exist already."""

import os
import re
from pathlib import Path

import pytest

from localcluster import assets, golang, paths, programs, say
from localcluster.programs import Build

MODULES = paths.HERE / "gomodules"


@pytest.fixture(autouse=True)
def _no_conventions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBEBUILDER_ASSETS", *assets.OVERRIDES.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHERRY_CACHE", str(tmp_path / "cache"))


def fake(directory: Path, *names: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.mark.parametrize("build", programs.BUILDS, ids=lambda build: build.name)
def test_versions_agree_with_the_locked_modules(build: Build) -> None:
    required = (MODULES / build.module / "go.mod").read_text()
    for package in build.packages.values():
        if package == ".":
            continue
        modules = [m for m in re.findall(r"(\S+) v\S+", required) if package.startswith(m)]
        longest = max(modules, key=len)
        assert re.search(rf"{re.escape(longest)} {re.escape(build.version)}(\s|$)", required)
        assert f"{longest} {build.version} h1:" in (MODULES / build.module / "go.sum").read_text()


def test_our_go_version_satisfies_every_module() -> None:
    for path in MODULES.glob("*/go.mod"):
        [wanted] = re.findall(r"^go (\S+)$", path.read_text(), re.MULTILINE)
        assert (golang.parse_version(f"go{wanted}") or (9,)) <= programs.GO_VERSION


def test_no_program_is_built_twice() -> None:
    names = [name for build in programs.BUILDS for name in build.packages]
    assert len(names) == len(set(names))


def test_a_single_override_takes_precedence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = fake(tmp_path / "own", "my-etcd")
    every = fake(tmp_path / "all", "kube-apiserver", "etcd", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(every))
    monkeypatch.setenv("TEST_ASSET_ETCD", str(own / "my-etcd"))
    assert assets.program("etcd") == own / "my-etcd"
    assert assets.program("kubectl") == every / "kubectl"


def test_an_incomplete_directory_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fake(tmp_path / "part", "etcd")))
    assert assets.given("etcd") is None


def test_an_override_that_is_not_a_program_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ASSET_KUBECTL", "/nowhere/kubectl")
    with pytest.raises(say.SetupError, match="TEST_ASSET_KUBECTL is /nowhere/kubectl"):
        assets.program("kubectl")


def test_build_command_for_one_and_for_several_programs() -> None:
    one = Build("a", "v1", "a", "tools", {"a": "example.com/a"}, stamps={"x.y": "1"})
    words = assets.command(one, Path("/go"), Path("/out"))
    assert words[words.index("-ldflags") + 1] == "-s -w -X x.y=1"
    assert words[-3:] == ["-o", "/out/a", "example.com/a"]
    two = Build("b", "v1", "b", "tools", {"b": "e/b", "c": "e/c"}, tags="t")
    words = assets.command(two, Path("/go"), Path("/out"))
    assert words[-6:] == ["-tags", "t", "-o", "/out/", "e/b", "e/c"]


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26, 8)), ("go1.27", (1, 27, 0)), ("devel +abc", None), ("", None)],
)
def test_parse_go_version(text: str, version: tuple[int, int, int] | None) -> None:
    assert golang.parse_version(text) == version


def test_cache_and_state_directories_follow_their_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WHERRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert paths.cache_dir() == Path("/somewhere/wherry")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert paths.cache_dir() == Path(os.path.expanduser("~/.cache/wherry"))  # noqa: PTH111
    monkeypatch.delenv("WHERRY_STATE", raising=False)
    assert paths.state_dir() == Path("/var/lib/wherry")
