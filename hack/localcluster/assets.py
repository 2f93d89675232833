"""The programs of a cluster, built once per version and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from localcluster import golang, paths, programs, say, shell
from localcluster.heartbeat import heartbeat
from localcluster.programs import Build, Group

# Variables by which Kubernetes' test frameworks name existing programs.
OVERRIDES = {
    "kube-apiserver": "TEST_ASSET_KUBE_APISERVER",
    "etcd": "TEST_ASSET_ETCD",
    "kubectl": "TEST_ASSET_KUBECTL",
}
_KUBEBUILDER = "KUBEBUILDER_ASSETS"


def assets_dir() -> Path:
    """Return the directory of the builds."""
    return paths.cache_dir() / "assets"


def bin_dir() -> Path:
    """Return the directory with a link to every program; usable as KUBEBUILDER_ASSETS."""
    return assets_dir() / "bin"


def given(name: str) -> Path | None:
    """Return the program that an environment variable sets, or None."""
    single = os.environ.get(OVERRIDES.get(name, ""), "")
    if single:
        if not os.access(single, os.X_OK):
            raise say.SetupError(
                f"{OVERRIDES[name]} is {single}, which is not a program. Set it to one."
            )
        return Path(single).resolve()
    directory = os.environ.get(_KUBEBUILDER)
    if directory and name in OVERRIDES and _is_complete(Path(directory)):
        return (Path(directory) / name).resolve()
    return None


def _is_complete(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in OVERRIDES)


def program(name: str) -> Path:
    """Return the path of a program; build it first if it is missing."""
    prescribed = given(name)
    if prescribed:
        return prescribed
    for build in programs.BUILDS:
        if name in build.packages:
            return ensure_build(build) / name
    raise say.SetupError(f"No build provides {name}; programs.py lists the builds.")


def ensure(groups: Iterable[Group] | None = None) -> Path:
    """Build the missing programs of the groups (default: all); return the merged directory."""
    wanted = set(groups) if groups is not None else None
    for build in programs.BUILDS:
        if wanted is None or build.group in wanted:
            if all(given(name) for name in build.packages):
                continue
            ensure_build(build)
    for name in OVERRIDES:
        prescribed = given(name)
        # KUBEBUILDER_ASSETS may name the merged directory itself.
        if prescribed and not prescribed.is_relative_to(assets_dir()):
            _link(name, prescribed)
    return bin_dir()


def recipe(build: Build) -> str:
    """Return a digest of all inputs of a build except the compiler."""
    module = paths.HERE / "gomodules" / build.module
    parts = [path.read_text(encoding="utf-8") for path in sorted(module.iterdir())]
    parts += [build.version, build.tags, repr(sorted(build.packages.items()))]
    parts.append(repr(sorted(build.stamps.items())))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _is_built(build: Build, target: Path) -> bool:
    made_by = target / "recipe"
    return (
        made_by.exists()
        and made_by.read_text(encoding="ascii") == recipe(build)
        and all(os.access(target / name, os.X_OK) for name in build.packages)
    )


def ensure_build(build: Build) -> Path:
    """Return the directory of a build's programs; build them first if they are missing."""
    target = assets_dir() / build.directory
    if not _is_built(build, target):
        with paths.lock(assets_dir() / f"{build.directory}.lock"):
            if not _is_built(build, target):
                _make(build, target)
    for name in build.packages:
        _link(name, target / name)
    return target


def _link(name: str, target: Path) -> None:
    link = paths.ensure_dir(bin_dir()) / name
    if link.is_symlink() and link.readlink() == target:
        return
    temporary = link.with_name(f".{name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def command(build: Build, go: Path, output: Path) -> list[str]:
    """Return the `go build` command line of a build."""
    names = list(build.packages)
    stamps = [f"-X {variable}={value}" for variable, value in sorted(build.stamps.items())]
    words = [str(go), "build", "-trimpath", "-ldflags", " ".join(["-s -w", *stamps])]
    if build.tags:
        words += ["-tags", build.tags]
    # With several packages, Go names each program after the last part of its import path.
    words += ["-o", f"{output}/" if len(names) > 1 else str(output / names[0])]
    return [*words, *build.packages.values()]


def _make(build: Build, target: Path) -> None:
    go = golang.go()
    temporary = target.with_name(f"{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    paths.ensure_dir(temporary)
    log = assets_dir() / f"{build.directory}.log"
    log.unlink(missing_ok=True)
    what = ", ".join(build.packages)
    words = command(build, go, temporary)
    with say.timed(f"building {what} {build.version}"), heartbeat(f"building {what}"):
        code = shell.run_logged(words, log, env=_go_environment(), cwd=_module(build))
    if code != 0:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-8:]
        raise say.SetupError(
            f"Building {what} failed (`{shlex.join(words[:3])} …`). If the network failed, run it "
            "again: Go continues where it stopped. Its output ends with:\n"
            + "\n".join(f"  {s}" for s in said),
            log=log,
        )
    (temporary / "recipe").write_text(recipe(build), encoding="ascii")
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _module(build: Build) -> Path:
    return paths.HERE / "gomodules" / build.module


def _go_environment() -> dict[str, str]:
    return {
        # Read-only: the build fails unless it can use the committed go.mod and go.sum as they are.
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GO111MODULE": "on",
    }
