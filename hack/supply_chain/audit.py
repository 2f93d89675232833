"""Known holes in the locked versions, as the registries' advisory services tell them.

A service that cannot be reached is no fault of the change, and no clean bill either: it is said
in so many words.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from supply_chain.lock_file import Locked

OSV_VARIABLE: Final = "WHERRY_OSV_URL"
"""An own copy of the OSV service to ask in place of the registry's advisories."""
TIMEOUT_SECONDS: Final = 600


@dataclass(frozen=True)
class Hole:
    """One advisory about one locked version."""

    package: str
    advisory: str
    remedy: str


@dataclass(frozen=True)
class Audit:
    """What a service said."""

    asked: str
    """Of what."""
    holes: tuple[Hole, ...] = ()
    unanswered: str = ""
    """Why nothing, or not all, is known; empty when every package was looked up."""


def of_pip_audit(output: str, complaint: str, asked: str) -> Audit:
    """Return the result of ``pip-audit --format json``."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        return Audit(asked, unanswered=last[:300])
    holes = tuple(
        Hole(
            f"{each['name']} {each['version']}",
            " ".join([hole["id"], *hole.get("aliases", ())]),
            f"fixed in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "no fix",
        )
        for each in dependencies
        for hole in each.get("vulns", ())
    )
    skipped = [each for each in dependencies if "skip_reason" in each]
    if not skipped:
        return Audit(asked, holes)
    why = f"{len(skipped)} of {len(dependencies)} packages: {skipped[0]['skip_reason']}"
    return Audit(asked, holes, why[:300])


def of_npm_audit(output: str, complaint: str, asked: str) -> Audit:
    """Return the result of ``npm audit --json``."""
    try:
        document: Mapping[str, Any] = json.loads(output)
    except ValueError:
        document = {}
    if "vulnerabilities" not in document:
        said = document.get("message") or complaint.strip() or "it said nothing"
        return Audit(asked, unanswered=str(said).splitlines()[0][:300])
    holes = [
        Hole(
            name,
            ", ".join(
                str(via.get("url") or via.get("title")) for via in found["via"] if via != str(via)
            )
            or f"by way of {', '.join(found['via'])}",
            "npm audit fix" if found.get("fixAvailable") else "no fix",
        )
        for name, found in document["vulnerabilities"].items()
    ]
    return Audit(asked, tuple(holes))


def _pip_audit(entries: Sequence[Locked], asked: str) -> Audit:
    words = [str(Path(sys.executable).with_name("pip-audit")), "--format", "json", "--no-deps"]
    words += ["--disable-pip", "--progress-spinner", "off"]
    if url := os.environ.get(OSV_VARIABLE):
        words += ["--vulnerability-service", "osv", "--osv-url", url]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("".join(f"{entry.name}=={entry.version}\n" for entry in entries))
        done = subprocess.run(
            [*words, "--requirement", str(wanted)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    return of_pip_audit(done.stdout, done.stderr, asked)


def python(entries: Sequence[Locked]) -> Audit:
    """Look the locked Python packages up; one alone first, and no more if that has no answer."""
    asked = f"{len(entries)} Python packages"
    first = _pip_audit(entries[:1], asked)
    return first if first.unanswered else _pip_audit(entries, asked)


def web(root: Path) -> Audit:
    """Look the locked npm packages up."""
    done = subprocess.run(
        ["npm", "--prefix", str(root / "web"), "audit", "--json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return of_npm_audit(done.stdout, done.stderr, "npm packages")
