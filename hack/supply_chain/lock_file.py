"""Read lock files: versions of packages, and the hashes of their files."""

import re
from dataclasses import dataclass
from typing import Final

REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Locked:
    """One entry of a lock file."""

    name: str
    """Normalised name (PEP 503)."""
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of every file that may be installed."""


def normalised(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> list[Locked]:
    """Return the entries of a lock file. Raises ValueError for a line without a pinned version."""
    entries = []
    for line in text.replace("\\\n", " ").splitlines():
        requirement = line.partition(" #")[0].strip()
        if not requirement or requirement.startswith("#"):
            continue
        match = REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(f"not a pinned version: {requirement[:80]}")
        entries.append(Locked(normalised(match[1]), match[2], tuple(HASH.findall(requirement))))
    return entries


def without_hashes(entries: list[Locked]) -> list[str]:
    """Return the names of the entries without a hash, for which any file would be accepted."""
    return [entry.name for entry in entries if not entry.hashes]
