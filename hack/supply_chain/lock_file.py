"""Lock files: which version of which package, and the hashes of its files."""

import re
from dataclasses import dataclass
from typing import Final

REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Locked:
    """One entry of a lock file."""

    name: str
    """In the normal form of names (PEP 503)."""
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of every file that may be installed for it."""


def normal(name: str) -> str:
    """Return a package's name in the one form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> list[Locked]:
    """Return the entries of a lock file; raises ValueError that names a line of another kind."""
    entries = []
    for line in text.replace("\\\n", " ").splitlines():
        said = line.partition(" #")[0].strip()
        if not said or said.startswith("#"):
            continue
        match = REQUIREMENT.match(said)
        if match is None:
            raise ValueError(f"not a version that is pinned: {said[:80]}")
        entries.append(Locked(normal(match[1]), match[2], tuple(HASH.findall(said))))
    return entries


def without_hashes(entries: list[Locked]) -> list[str]:
    """Return the names of entries that any file would be taken for."""
    return [entry.name for entry in entries if not entry.hashes]
