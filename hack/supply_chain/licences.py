"""Which licences the image's packages have, and whether we may pass them on under ours."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

ALLOWED: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"),
        *("MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    }
)
"""Licences that ask for no more than to be named, and MPL-2.0: its files stay as they are."""
CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
SAID_ELSEWHERE: Final = {"protobuf": "BSD-3-Clause"}
"""Packages whose metadata name no licence that a program can read."""


def of_component(component: Mapping[str, Any]) -> list[str]:
    """Return the licences of a CycloneDX component as SPDX expressions, or as it puts them."""
    found = []
    for entry in component.get("licenses", ()):
        licence = entry.get("license", {})
        said = entry.get("expression") or licence.get("id") or licence.get("name", "")
        found.append(CLASSIFIERS.get(said.rpartition(" :: ")[2], said))
    if not found and component["name"] in SAID_ELSEWHERE:
        found.append(SAID_ELSEWHERE[component["name"]])
    return sorted(set(found))


def to_component(found: Sequence[str]) -> list[dict[str, Any]]:
    """Return licences as CycloneDX has them: one expression, or a list of names."""
    if len(found) == 1 and not refused(found):
        return [{"expression": found[0]}]
    return [{"license": {"name": said}} for said in found]


def refused(licences: Sequence[str]) -> list[str]:
    """Return which of ``licences`` are not allowed; all names in an expression must be."""
    return [
        said
        for said in licences
        if not set(re.findall(r"[A-Za-z0-9.+-]+", said)) - {"AND", "OR", "WITH"} <= ALLOWED
    ]
