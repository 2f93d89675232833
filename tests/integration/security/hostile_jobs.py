"""DownloadJobs written by an attacker, and how each must end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.harness.api import Resource
from tests.harness.jobs import job_body

INVALID: Final = "InvalidFileId"
NOT_FOUND: Final = "FilesNotFound"

TRAVERSALS: Final = (
    "../secret/1",
    "../../other-bucket/1",
    "a/../../secret/1",
    "./1",
    "/secret/1",
    "//secret/1",
    "%2e%2e%2fsecret%2f1",
    "%2E%2E/secret/1",
    "%252e%252e%252fsecret%252f1",
    "%25252e%25252e/secret/1",
    "..%5csecret%5c1",
    "..\\secret\\1",
    "\\secret\\1",
    "\uff0e\uff0e\uff0fsecret\uff0f1",
    "1\x00.zip",
    "1%00",
    "1\r\nX-Injected: yes",
    "\x1b[2J\x1b]0;pwned\x07",
    "1\x85\x9b",
    "https://169.254.169.254/latest/meta-data",
    "s3://secret/1",
    '1\n{"level":"error","message":"forged"}',
)
"""Ids that some server on the way could resolve outside the template's folder."""
HARMLESS: Final = (
    "1?versionId=null",
    "1?uploads",
    "1#fragment",
    "1&list-type=2",
    "{id}",
    "{0.__class__.__init__.__globals__}",
    "${HOME}",
    "$(reboot)",
    "`reboot`",
    "%s%n%x",
    "'; DROP TABLE jobs; --",
    "\u202egnp.exe",
    "\u2028\u2029",
    "\ufffe\uffff",
    "\ud800",
    "archives/other-tenant/5f0c/1/theirs.zip",
    "*",
)
"""Ids that look dangerous but are literal parts of a key that does not exist."""

TOO_LONG: Final = ("x" * 256, "\U0001f4a3" * 128)
"""Ids that a store over plain files rejects as names."""

NAMES: Final = {
    "..": "__",
    ".": "_",
    "...": "___",
    "   ": None,
    "\u202egnp.zip": "_gnp.zip",
    '"; filename="evil.exe': "_; filename=_evil.exe",
    "x\x85\u2028y.zip": "x__y.zip",
    "\ufffe\uffff.zip": "__.zip",
    "%2e%2e%2f%2e%2e%2ffiles%2f1": "_2e_2e_2f_2e_2e_2ffiles_2f1",
    "a%0d%0aSet-Cookie: x=1.zip": "a_0d_0aSet-Cookie_ x=1.zip",
    "con.zip": "_con.zip",
    "{id}$(reboot)`id`.zip": "{id}$(reboot)`id`.zip",
    "\u00fc" * 196 + ".zip": "\u00fc" * 118 + ".zip",
}
"""Archive names, and what they become; None: the job's own."""

REFUSED_SPECS: Final[tuple[dict[str, Any], ...]] = (
    {"fileIDs": []},
    {"fileIDs": [""]},
    {"fileIDs": ["x" * 257]},
    {"fileIDs": ["1"] * 10_001},
    {"fileIDs": ["../" + "x" * 253] * 10_000},
    {"fileIDs": [1]},
    {"fileIDs": [{"$ref": "1"}]},
    {"fileIDs": None},
    {"archiveName": "../x.zip"},
    {"archiveName": "a/b.zip"},
    {"archiveName": "a\\b.zip"},
    {"archiveName": "a\r\nSet-Cookie: x=1"},
    {"archiveName": "a\x00b"},
    {"archiveName": "\x1b[2J"},
    {"archiveName": "x" * 201},
    {"pool": "../default"},
    {"pool": "kube-system/default"},
    {"pool": "x" * 64},
    {"priority": 101},
    {"priority": -(2**63)},
    {"priority": 2**63},
    {"priority": 1.5},
    {"backoffLimit": -1},
    {"backoffLimit": 2**31},
    {"activeDeadlineSeconds": 0},
    {"activeDeadlineSeconds": 2**63},
    {"queueTimeoutSeconds": -1},
    {"ttlSecondsAfterFinished": -1},
    {"ttlSecondsAfterFinished": 2**62},
    {"onMissing": "Ignore"},
    {"cancel": "yes"},
    {"suspend": 1},
)
"""Specs that the API server itself rejects."""

REFUSED_METADATA: Final[tuple[dict[str, Any], ...]] = (
    {"name": "../../default/job"},
    {"name": "Job"},
    {"name": "a\nb"},
    {"name": "x" * 254},
    {"namespace": "kube-system"},
    {"labels": {"wherry.dev/retry-of": "../x"}},
    {"labels": {"wherry.dev/pool": "a b"}},
    {"annotations": {"x": "y" * 300_000}},
)

METADATA: Final[tuple[dict[str, Any], ...]] = (
    {"name": "a." + "b" * 251},
    {
        "name": "labelled-by-hand",
        "labels": {
            "wherry.dev/dead-letter": "true",
            "wherry.dev/retry-of": "labelled-by-hand",
            "wherry.dev/requested-by": "api",
            "wherry.dev/pool": "default",
            "app.kubernetes.io/name": "wherry",
            "app.kubernetes.io/component": "runner",
        },
    },
    {
        "name": "annotated-by-hand",
        "annotations": {
            "wherry.dev/traceparent": "00-zz\n{}-01-ff",
            "wherry.dev/request-digest": "../x",
            "wherry.dev/template-hash": "x",
            "kopf.zalando.org/last-handled-configuration": "{",
            "filler": "y" * 200_000,
        },
    },
    {"name": "traced-wrongly", "annotations": {"wherry.dev/traceparent": "9" * 100_000}},
    {
        "name": "owned-by-nobody",
        "ownerReferences": [
            {
                "apiVersion": "wherry.dev/v1",
                "kind": "RunnerPool",
                "name": "default",
                "uid": "00000000-0000-0000-0000-000000000000",
                "controller": True,
            }
        ],
    },
)
"""Unusual but valid: the job must end like any other."""

ODD_SPECS: Final[tuple[dict[str, Any], ...]] = (
    {"fileIDs": ["1"] * 10_000},
    {
        "catalogueUrl": "http://127.0.0.1:1/",
        "bucket": "other",
        "keyTemplate": "secret/{id}",
        "endpointUrl": "http://127.0.0.1:1/",
        "template": {"spec": {"hostNetwork": True}},
    },
    {"ttlSecondsAfterFinished": 2_592_000, "priority": -100, "activeDeadlineSeconds": 604_800},
)
"""Unknown fields are dropped; extreme values are valid."""


@dataclass(frozen=True)
class HostileJob:
    """One job and how it ends."""

    what: str
    body: Resource = field(repr=False)
    phase: str
    reasons: tuple[str, ...] = ()
    archive_name: str | None = None


def changed(
    spec: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    file_ids: Sequence[str] = ("1", "2"),
) -> Resource:
    """Return the body of a job that differs in these fields."""
    body = job_body(file_ids)
    body["spec"] |= spec or {}
    body["metadata"] |= metadata or {}
    return body


def refused_bodies() -> Iterator[tuple[str, Resource]]:
    """Yield bodies that the API server must refuse."""
    for spec in REFUSED_SPECS:
        yield str(spec)[:60], changed(spec)
    for metadata in REFUSED_METADATA:
        yield str(metadata)[:60], changed(metadata=metadata)
    yield "another kind", changed() | {"kind": "RunnerPool"}


def accepted_jobs() -> Iterator[HostileJob]:
    """Yield jobs that the API server accepts, with how they end."""
    for name in TRAVERSALS:
        yield HostileJob(name, changed(file_ids=["1", name]), "Failed", (INVALID,))
        yield HostileJob(f"only {name}", changed(file_ids=[name]), "Failed", (INVALID,))
    for name in HARMLESS:
        yield HostileJob(name, changed(file_ids=["1", name]), "Failed", (NOT_FOUND,))
    for name in TOO_LONG:
        reasons = (NOT_FOUND, "StoreRefused")
        yield HostileJob(name, changed(file_ids=["1", name]), "Failed", reasons)
    # A megabyte of ids, of which only the last is invalid.
    many = [f"{number:0100}" for number in range(9_999)]
    yield HostileJob("a megabyte", changed(file_ids=[*many, "../1"]), "Failed", (INVALID,))
    for name, used in NAMES.items():
        body = changed({"archiveName": name})
        own = used or f"download-{body['metadata']['name'][:8]}.zip"
        yield HostileJob(f"archive {name}", body, "Completed", archive_name=own)
    for metadata in METADATA:
        yield HostileJob(metadata["name"][:20], changed(metadata=metadata), "Completed")
    for spec in ODD_SPECS:
        yield HostileJob(str(spec)[:40], changed(spec), "Completed")
    for spec in ({"cancel": True}, {"cancel": True, "suspend": True}):
        yield HostileJob(str(spec), changed(spec), "Cancelled")
    forged = {"phase": "Completed", "archive": {"bucket": "other", "key": "x", "name": "x"}}
    yield HostileJob("status at creation", changed() | {"status": forged}, "Completed")
