"""The licences of the packages in the image, and which of them are allowed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

ALLOWED: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"),
        *("MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    }
)
"""Licences that require attribution only, and MPL-2.0, whose files we do not modify."""
CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
NOT_IN_METADATA: Final = {"protobuf": "BSD-3-Clause"}
"""Packages whose metadata has no machine-readable licence."""


def of_component(component: Mapping[str, Any]) -> list[str]:
    """Return the licences of a CycloneDX component, as SPDX expressions where possible."""
    found = []
    for entry in component.get("licenses", ()):
        licence = entry.get("license", {})
        name = entry.get("expression") or licence.get("id") or licence.get("name", "")
        found.append(CLASSIFIERS.get(name.rpartition(" :: ")[2], name))
    if not found and component["name"] in NOT_IN_METADATA:
        found.append(NOT_IN_METADATA[component["name"]])
    return sorted(set(found))


def to_component(found: Sequence[str]) -> list[dict[str, Any]]:
    """Return licences in the form of CycloneDX: one expression, or a list of names."""
    if len(found) == 1 and not refused(found):
        return [{"expression": found[0]}]
    return [{"license": {"name": name}} for name in found]


def refused(licences: Sequence[str]) -> list[str]:
    """Return the ``licences`` that are not allowed; every name in an expression must be."""
    return [
        name
        for name in licences
        if not set(re.findall(r"[A-Za-z0-9.+-]+", name)) - {"AND", "OR", "WITH"} <= ALLOWED
    ]
