"""docs/dependencies.md explains every declared dependency, and nothing else."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from localcluster import paths

ROOT = paths.REPOSITORY
PAGE = (ROOT / "docs/dependencies.md").read_text()


def listed() -> set[str]:
    """Return the names in the first column of the tables of packages."""
    names: set[str] = set()
    family = ""
    for line in PAGE.partition("## Programs")[0].splitlines():
        if not line.startswith("| ") or line.startswith("| package"):
            continue
        for word in line.split("|")[1].split(","):
            name = re.sub(r"\[.*\]| \(.*\)", "", word.strip())
            # "opentelemetry-api, -sdk" and "pytest, -asyncio" name a family once.
            if name.startswith("-"):
                name = family + name
            else:
                family = name.removesuffix("-api")
            names.add(name)
    return names


def python_packages(path: Path) -> set[str]:
    document = tomllib.loads(path.read_text())
    project = document["project"]
    wanted = [*project["dependencies"]]
    for group in project.get("optional-dependencies", {}).values():
        wanted += group
    for group in document.get("dependency-groups", {}).values():
        wanted += group
    found = (re.match(r"[A-Za-z0-9._-]+", each) for each in wanted)
    return {match[0] for match in found if match}


def web_packages(path: Path) -> set[str]:
    document = json.loads(path.read_text())
    kinds = ("dependencies", "devDependencies", "peerDependencies")
    return {name for kind in kinds for name in document.get(kind, ())}


@pytest.mark.parametrize("name", ["pyproject.toml", "client/pyproject.toml"])
def test_every_python_package_has_a_line(name: str) -> None:
    known = listed()
    missing = {
        package
        for package in python_packages(ROOT / name)
        if package not in known and not (package.startswith("types-") and "types-*" in known)
    }
    assert not missing, f"explain them in docs/dependencies.md: {sorted(missing)}"


def test_every_npm_package_has_a_line() -> None:
    web = ROOT / "web"
    files = [web / "package.json", web / "app/package.json"]
    files += sorted(web.glob("packages/*/package.json"))
    wanted = set().union(*map(web_packages, files))
    ours = {name for name in wanted if name.startswith("@wherry/")}
    missing = wanted - ours - listed()
    assert not missing, f"explain them in docs/dependencies.md: {sorted(missing)}"


def test_the_page_has_no_line_for_an_undeclared_package() -> None:
    declared = set().union(
        *(python_packages(ROOT / name) for name in ("pyproject.toml", "client/pyproject.toml")),
        *(
            web_packages(path)
            for path in (ROOT / "web").glob("**/package.json")
            if "node_modules" not in path.parts
        ),
        {"types-*"},
    )
    # hiredis comes with redis; swagger-ui-dist is vendored.
    assert listed() - declared <= {"hiredis", "swagger-ui-dist"}
