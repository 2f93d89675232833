"""Known vulnerabilities of the locked versions, from the advisory services of the registries.

A service that cannot be reached is neither a fault of a change nor a clean result: it is reported
as an error of its own.
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
"""URL of a private OSV service that replaces the registry's advisories."""
TIMEOUT_SECONDS: Final = 600


@dataclass(frozen=True)
class Vulnerability:
    """One advisory about one locked version."""

    package: str
    advisory: str
    remedy: str


@dataclass(frozen=True)
class Audit:
    """The result of one audit."""

    subject: str
    """What was audited, such as ``12 Python packages``."""
    vulnerabilities: tuple[Vulnerability, ...] = ()
    error: str = ""
    """Why the result is incomplete; empty when every package was looked up."""


def of_pip_audit(output: str, stderr: str, subject: str) -> Audit:
    """Return the result of ``pip-audit --format json``."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = (stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return Audit(subject, error=last[:300])
    found = tuple(
        Vulnerability(
            f"{each['name']} {each['version']}",
            " ".join([vulnerability["id"], *vulnerability.get("aliases", ())]),
            _fix(vulnerability.get("fix_versions", ())),
        )
        for each in dependencies
        for vulnerability in each.get("vulns", ())
    )
    skipped = [each for each in dependencies if "skip_reason" in each]
    if not skipped:
        return Audit(subject, found)
    why = f"{len(skipped)} of {len(dependencies)} packages: {skipped[0]['skip_reason']}"
    return Audit(subject, found, why[:300])


def _fix(versions: Sequence[str]) -> str:
    return f"fixed in {', '.join(versions)}" if versions else "no fix"


def of_npm_audit(output: str, stderr: str, subject: str) -> Audit:
    """Return the result of ``npm audit --json``."""
    try:
        document: Mapping[str, Any] = json.loads(output)
    except ValueError:
        document = {}
    if "vulnerabilities" not in document:
        message = document.get("message") or stderr.strip() or "it printed nothing"
        return Audit(subject, error=str(message).splitlines()[0][:300])
    vulnerabilities = [
        Vulnerability(
            name,
            ", ".join(
                str(via.get("url") or via.get("title")) for via in found["via"] if via != str(via)
            )
            or f"by way of {', '.join(found['via'])}",
            "npm audit fix" if found.get("fixAvailable") else "no fix",
        )
        for name, found in document["vulnerabilities"].items()
    ]
    return Audit(subject, tuple(vulnerabilities))


def _pip_audit(entries: Sequence[Locked], subject: str) -> Audit:
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
    return of_pip_audit(done.stdout, done.stderr, subject)


def python(entries: Sequence[Locked]) -> Audit:
    """Audit the locked Python packages; one first, and no more if the service does not answer."""
    subject = f"{len(entries)} Python packages"
    first = _pip_audit(entries[:1], subject)
    return first if first.error else _pip_audit(entries, subject)


def web(root: Path) -> Audit:
    """Audit the locked npm packages."""
    done = subprocess.run(
        ["npm", "--prefix", str(root / "web"), "audit", "--json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return of_npm_audit(done.stdout, done.stderr, "npm packages")
