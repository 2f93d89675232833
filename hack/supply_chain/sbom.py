"""The bills of materials (CycloneDX) of the image and of the page."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from supply_chain import licences
from supply_chain.lock_file import Locked, normalised
from wherry_api.http import docs_page

Document = dict[str, Any]

VERSIONS: Final = {"1.5": SchemaVersion.V1_5, "1.6": SchemaVersion.V1_6}
FOR_DEVELOPMENT: Final = "cdx:npm:package:development"


def faults(document: Mapping[str, Any]) -> str:
    """Return the error that the schema of the document's version reports, or an empty string."""
    validator = JsonStrictValidator(VERSIONS[document["specVersion"]])
    error = validator.validate_str(json.dumps(document))
    return "" if error is None else str(error)


def of_environment(root: Path) -> Document:
    """Return the bill of the whole Python environment, with licences and dependencies."""
    words = [str(Path(sys.executable).with_name("cyclonedx-py")), "environment", sys.executable]
    words += ["--pyproject", str(root / "pyproject.toml"), "--output-reproducible", "--of", "JSON"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    document: Document = json.loads(done.stdout)
    return document


def narrowed(document: Document, locked: Sequence[Locked]) -> Document:
    """Return the bill of the locked packages only, with the hashes of their accepted files.

    Includes locked packages that are not installed here (another Python, another system).
    """
    known = {normalised(component["name"]): component for component in document["components"]}
    components = []
    for entry in locked:
        found = known.get(entry.name, {"name": entry.name, "type": "library"})
        component = {
            **found,
            "bom-ref": f"{entry.name}=={entry.version}",
            "version": entry.version,
            "purl": f"pkg:pypi/{entry.name}@{entry.version}",
            "licenses": licences.to_component(licences.of_component(found)),
        }
        component["externalReferences"] = [
            *found.get("externalReferences", ()),
            {
                "type": "distribution",
                "url": f"pkg:pypi/{entry.name}@{entry.version}",
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in entry.hashes],
            },
        ]
        components.append(component)
    names = {str(found["bom-ref"]): normalised(found["name"]) for found in document["components"]}
    references = {entry.name: f"{entry.name}=={entry.version}" for entry in locked}
    dependencies = []
    for link in document["dependencies"]:
        own = link["ref"] if link["ref"] == "root-component" else names.get(link["ref"], "")
        if own != "root-component" and own not in references:
            continue
        needed = {names.get(each, "") for each in link.get("dependsOn", ())} & references.keys()
        dependencies.append(
            {
                "ref": references.get(own, own),
                "dependsOn": sorted(references[name] for name in needed),
            }
        )
    return {**document, "components": components, "dependencies": dependencies}


def of_page(root: Path, folder: Path) -> Document:
    """Return npm's bill of the page, without packages that only build and test it.

    ``folder`` must be empty; it receives a copy of the package files. npm requires a version in
    the outermost one, which a workspace root does not have.
    """
    web = root / "web"
    outermost = json.loads((web / "package.json").read_text(encoding="utf-8"))
    for path in [web / "app", *sorted((web / "packages").iterdir())]:
        if (path / "package.json").exists():
            target = folder / path.relative_to(web)
            target.mkdir(parents=True)
            shutil.copy(path / "package.json", target)
    shutil.copy(web / "package-lock.json", folder)
    (folder / "package.json").write_text(json.dumps({**outermost, "version": "0.0.0"}))
    words = ["npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    bill = shipped(json.loads(done.stdout))
    return {**bill, "components": [*bill["components"], of_docs_page()]}


def of_docs_page() -> Document:
    """Return the vendored component: Swagger UI, which shows /docs."""
    purl = f"pkg:npm/swagger-ui-dist@{docs_page.VERSION}"
    return {
        "bom-ref": purl,
        "type": "library",
        "name": "swagger-ui-dist",
        "version": docs_page.VERSION,
        "purl": purl,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def shipped(document: Document) -> Document:
    """Return an npm bill without development packages."""
    kept = [
        component
        for component in document["components"]
        if not any(each["name"] == FOR_DEVELOPMENT for each in component.get("properties", ()))
    ]
    references = {component["bom-ref"] for component in kept}
    references.add(document["metadata"]["component"]["bom-ref"])
    links = [
        {**link, "dependsOn": [each for each in link.get("dependsOn", ()) if each in references]}
        for link in document["dependencies"]
        if link["ref"] in references
    ]
    return {**document, "components": kept, "dependencies": links}
