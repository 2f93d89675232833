"""Write kubeconfig files, and send plain GET requests to the API server."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from localcluster import paths
from localcluster.pki import Pair


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


def write(path: Path, *, server: str, ca: Path, user: Pair) -> Path:
    """Write a kubeconfig with embedded certificates, so that it can be copied.

    The file is JSON, which is valid YAML and needs no YAML library.
    """
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "wherry-local",
                "cluster": {"server": server, "certificate-authority-data": _embedded(ca)},
            }
        ],
        "users": [
            {
                "name": "wherry-local",
                "user": {
                    "client-certificate-data": _embedded(user.certificate),
                    "client-key-data": _embedded(user.key),
                },
            }
        ],
        "contexts": [
            {"name": "wherry-local", "context": {"cluster": "wherry-local", "user": "wherry-local"}}
        ],
        "current-context": "wherry-local",
    }
    text = json.dumps(document, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return path
    return paths.write(path, text, mode=0o600)


def answers(url: str, *, ca: Path, user: Pair, timeout: float = 2.0) -> bool:
    """Return whether a GET of this URL returns 200."""
    return get(url, ca=ca, user=user, timeout=timeout) is not None


def plain(url: str, timeout: float = 1.0) -> bool:
    """Return whether a GET without credentials returns 200."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def get(url: str, *, ca: Path, user: Pair, timeout: float = 2.0) -> bytes | None:
    """Return the body of a GET that returns 200; None for any other response or an error."""
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(str(user.certificate), str(user.key))
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=timeout) as answer:
            body: bytes = answer.read()
            return body if answer.status == 200 else None
    except (urllib.error.URLError, OSError):
        return None
