"""Check the dependencies of the project, and write its bills of materials.

Run: PYTHONPATH=hack python -m supply_chain [--folder DIR] [--audit-required]. It fails when a
locked version has no hash, a licence is not allowed, a bill does not match its schema, or an
advisory exists for a locked version. If no advisory service answers, it prints that and continues;
with --audit-required it fails.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from supply_chain import audit, licences, lock_file, sbom

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LOCKS: Final = (
    "requirements.lock",
    "requirements-dev.lock",
    "deploy/image/build-requirements.lock",
)


def read(name: str) -> list[lock_file.Locked]:
    """Return the entries of one of the project's lock files."""
    return lock_file.parse((ROOT / name).read_text(encoding="utf-8"))


def check_licences(document: dict[str, Any]) -> list[str]:
    """Return a sentence for each package in a bill whose licence is unknown or not allowed."""
    faults = []
    counts: dict[str, int] = {}
    for component in document["components"]:
        found = licences.of_component(component)
        for licence in found:
            counts[licence] = counts.get(licence, 0) + 1
        if bad := licences.refused(found):
            faults.append(f"{component['name']}: the licence {bad[0]!r} is not in licences.ALLOWED")
        elif not found and component.get("purl", "").startswith("pkg:pypi/"):
            faults.append(f"{component['name']}: no licence found (see licences.NOT_IN_METADATA)")
    print("licences: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return faults


def write_bills(folder: Path) -> list[str]:
    """Write the bills of the image and the page; return their faults."""
    folder.mkdir(parents=True, exist_ok=True)
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        bills = {
            "image": sbom.narrowed(sbom.of_environment(ROOT), read("requirements.lock")),
            "page": sbom.of_page(ROOT, Path(scratch)),
        }
    for name, document in bills.items():
        path = folder / f"{name}.cdx.json"
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path}: {len(document['components'])} components")
        if fault := sbom.faults(document):
            faults.append(f"{path} does not match the schema of CycloneDX: {fault}")
        faults += check_licences(document)
    return faults


def report(result: audit.Audit, *, required: bool) -> list[str]:
    """Print the result of an audit; return its faults."""
    faults = [
        f"{found.package}: {found.advisory} ({found.remedy})" for found in result.vulnerabilities
    ]
    if result.error:
        print(
            f"NOT AUDITED: {result.subject}. The advisory service does not answer, so their "
            f"vulnerabilities are unknown ({result.error})."
        )
        if required:
            faults.append(f"{result.subject} were not audited")
    elif not faults:
        print(f"audited: {result.subject}, no advisory")
    return faults


def main() -> int:
    """Run all checks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "sbom")
    parser.add_argument("--audit-required", action="store_true")
    given = parser.parse_args()
    faults = []
    for name in LOCKS:
        faults += [f"{name}: {each} has no hash" for each in lock_file.without_hashes(read(name))]
    faults += write_bills(given.folder)
    for result in (audit.python(read("requirements-dev.lock")), audit.web(ROOT)):
        faults += report(result, required=given.audit_required)
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
