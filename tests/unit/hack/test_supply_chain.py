import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from supply_chain import __main__ as program
from supply_chain import audit, licences, lock_file, sbom
from supply_chain.lock_file import Locked

DIGEST = "0" * 64
LOCK = f"""\
# This file was made by uv
aio.Http[speedups]==3.14.5 \\
    --hash=sha256:{DIGEST} \\
    --hash=sha256:{DIGEST}
    # via wherry
tomli==2.0 ; python_version < "3.11" \\
    --hash=sha256:{DIGEST}
naked==1.0
"""


def test_a_lock_file_is_parsed_with_its_hashes() -> None:
    entries = lock_file.parse(LOCK)
    assert [(entry.name, entry.version, len(entry.hashes)) for entry in entries] == [
        ("aio-http", "3.14.5", 2),
        ("tomli", "2.0", 1),
        ("naked", "1.0", 0),
    ]
    assert lock_file.without_hashes(entries) == ["naked"]


@pytest.mark.parametrize("line", ["thing>=1", "https://example.com/x.whl", "-e ."])
def test_an_unpinned_line_is_rejected(line: str) -> None:
    with pytest.raises(ValueError, match="not a pinned version"):
        lock_file.parse(line)


@pytest.mark.parametrize("name", program.LOCKS)
def test_every_entry_of_our_lock_files_has_a_hash(name: str) -> None:
    entries = program.read(name)
    assert entries
    assert not lock_file.without_hashes(entries)


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND (BSD-3-Clause OR MIT)", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-or-later", False),
        ("Ask the author", False),
    ],
)
def test_refused_licences(licence: str, allowed: bool) -> None:
    assert (licences.refused([licence]) == []) is allowed


def test_a_package_without_a_licence_is_a_fault() -> None:
    unknown = {"name": "mystery", "purl": "pkg:pypi/mystery@1"}
    ours = {"name": "fine", "licenses": [{"license": {"id": "MIT"}}]}
    classified = {
        "name": "old",
        "licenses": [{"license": {"name": "License :: OSI Approved :: MIT License"}}],
    }
    [fault] = program.check_licences({"components": [unknown, ours, classified]})
    assert "mystery: no licence found" in fault


def test_a_bill_is_validated_against_the_schema_of_its_version() -> None:
    document: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    assert sbom.faults(document) == ""
    assert "is not" in sbom.faults({**document, "components": [{"name": "x", "type": "nonsense"}]})


def test_the_bill_of_the_image_has_exactly_the_locked_packages() -> None:
    environment = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"bom-ref": "root-component", "name": "w", "type": "application"}
        },
        "components": [
            {"name": "Aio_Http", "bom-ref": "Aio_Http==1", "type": "library", "version": "1"},
            {"name": "pytest", "bom-ref": "pytest==9", "type": "library", "version": "9"},
        ],
        "dependencies": [
            {"ref": "root-component", "dependsOn": ["Aio_Http==1", "pytest==9"]},
            {"ref": "pytest==9"},
        ],
    }
    bill = sbom.narrowed(environment, [Locked("aio-http", "1", (DIGEST,))])
    assert [component["bom-ref"] for component in bill["components"]] == ["aio-http==1"]
    [reference] = bill["components"][0]["externalReferences"]
    assert reference["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    assert bill["dependencies"] == [{"ref": "root-component", "dependsOn": ["aio-http==1"]}]
    assert sbom.faults(bill) == ""


def test_the_bill_of_the_page_has_no_development_packages() -> None:
    development = [{"name": sbom.FOR_DEVELOPMENT, "value": "true"}]
    document = {
        "metadata": {"component": {"bom-ref": "web"}},
        "components": [
            {"bom-ref": "react@19", "name": "react"},
            {"bom-ref": "vite@8", "name": "vite", "properties": development},
        ],
        "dependencies": [{"ref": "web", "dependsOn": ["react@19", "vite@8"]}, {"ref": "vite@8"}],
    }
    bill = sbom.shipped(document)
    assert [component["name"] for component in bill["components"]] == ["react"]
    assert bill["dependencies"] == [{"ref": "web", "dependsOn": ["react@19"]}]


NPM_ADVISORIES = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "minimist": {
            "via": [{"title": "Prototype Pollution", "url": "https://example.com/GHSA-x"}],
            "fixAvailable": True,
        },
        "mkdirp": {"via": ["minimist"], "fixAvailable": False},
    },
}


def test_results_of_npm_audit() -> None:
    result = audit.of_npm_audit(json.dumps(NPM_ADVISORIES), "", "npm packages")
    assert [found.package for found in result.vulnerabilities] == ["minimist", "mkdirp"]
    assert "GHSA-x" in result.vulnerabilities[0].advisory
    assert not audit.of_npm_audit('{"vulnerabilities": {}}', "", "npm").error
    refused = audit.of_npm_audit('{"message": "405 Method Not Allowed"}', "", "npm")
    assert refused.error == "405 Method Not Allowed"
    assert audit.of_npm_audit("", "npm ERR! network", "npm").error == "npm ERR! network"


def test_skipped_packages_are_not_a_clean_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    skipped = {"dependencies": [{"name": "x", "skip_reason": "not found"}], "fixes": []}
    result = audit.of_pip_audit(json.dumps(skipped), "", "1 Python package")
    assert program.report(result, required=False) == []
    assert "NOT AUDITED: 1 Python package" in capsys.readouterr().out
    assert program.report(result, required=True) == ["1 Python package were not audited"]
    unreachable = audit.of_pip_audit("", "Traceback\nConnectionError: no route", "x")
    assert unreachable.error == "ConnectionError: no route"


class Advisories(BaseHTTPRequestHandler):
    """An OSV service with one advisory."""

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        advisory = {
            "id": "PYSEC-2021-108",
            "aliases": ["CVE-2021-33503"],
            "summary": "denial of service",
            "affected": [
                {
                    "package": {"name": "urllib3", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1.26.5"}]}],
                    "versions": ["1.26.4"],
                }
            ],
        }
        package = (question["package"]["name"], question["version"])
        answer = json.dumps(
            {"vulns": [advisory]} if package == ("urllib3", "1.26.4") else {}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep the test's output clean."""


@contextmanager
def advisory_service() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Advisories)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()
    thread.join()


def test_pip_audit_reports_an_advisory_of_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [Locked("idna", "3.10", ()), Locked("urllib3", "1.26.4", ())]
    with advisory_service() as url:
        monkeypatch.setenv(audit.OSV_VARIABLE, url)
        found = audit.python(entries)
        clean = audit.python(entries[:1])
    assert not found.error
    [fault] = program.report(found, required=False)
    assert fault == "urllib3 1.26.4: PYSEC-2021-108 CVE-2021-33503 (fixed in 1.26.5)"
    assert program.report(clean, required=True) == []
    assert "audited: 1 Python packages, no advisory" in capsys.readouterr().out


def test_pip_audit_reports_an_unreachable_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(audit.OSV_VARIABLE, "http://127.0.0.1:9/v1/query")
    result = audit.python([Locked("idna", "3.10", ())])
    assert result.error
    assert not result.vulnerabilities
