"""The bytes of the requests that the bench sends."""

import uuid
from collections.abc import Mapping
from typing import Any

import orjson

FILE_IDS = [70000, 70001, 70002]


def request(
    method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole HTTP/1.1 request."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def config_map() -> dict[str, Any]:
    """A built-in resource of about the job's size: the cost of any create."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": str(uuid.uuid4())},
        "data": {"fileIDs": "70000 70001 70002", "pool": "default", "onMissing": "Fail"},
    }


def job() -> dict[str, Any]:
    """The resource that initiate creates."""
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "DownloadJob",
        "metadata": {
            "name": str(uuid.uuid4()),
            "labels": {"wherry.dev/requested-by": "api"},
            "annotations": {"wherry.dev/request-digest": "0" * 64},
        },
        "spec": {
            "fileIDs": [str(each) for each in FILE_IDS],
            "onMissing": "Fail",
            "pool": "default",
        },
    }
