"""Where the API server is and how this process proves who it is, without a Kubernetes library.

A runner makes three kinds of requests; a whole client library would double its memory.
"""

import asyncio
import base64
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS: Final = 60.0
"""How long a token is used before its file is read again: kubelets rotate it."""


class NoEndpointError(Exception):
    """The process cannot know its API server; the message says what to set."""


class Token:
    """A bearer token, from a file that may be rewritten at any time, or a fixed one, or none."""

    def __init__(self, fixed: str = "", file: Path | None = None) -> None:
        self._value = fixed
        self._file = file
        self._read_at = float("-inf")

    async def read(self) -> str:
        """Return the token; an empty one means that no header is to be sent."""
        if self._file is not None and time.monotonic() - self._read_at > TOKEN_SECONDS:
            text = await asyncio.to_thread(self._file.read_text)
            self._value = text.strip()
            self._read_at = time.monotonic()
        return self._value

    def distrust(self) -> None:
        """Have the file read again before the next request: the server refused the token."""
        self._read_at = float("-inf")


@dataclass(frozen=True)
class Endpoint:
    """An API server and the credentials for it."""

    url: str
    tls: ssl.SSLContext | None
    token: Token


def find_endpoint(environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Return the API server of this pod, or of the file that KUBECONFIG names.

    Raises NoEndpointError.
    """
    if named := environment.get("KUBECONFIG"):
        return _from_kubeconfig(Path(named.split(os.pathsep)[0]).expanduser())
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if not host:
        raise NoEndpointError(
            "There is no API server to talk to: run in a pod, or set KUBECONFIG to a kubeconfig."
        )
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    shown = f"[{host}]" if ":" in host else host
    context = _context(cafile=str(SERVICE_ACCOUNT_FOLDER / "ca.crt"))
    return Endpoint(
        f"https://{shown}:{port}", context, Token(file=SERVICE_ACCOUNT_FOLDER / "token")
    )


def _context(cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile, cadata=cadata)
    # Many clusters' own authorities lack the extensions that Python's strict mode asks for.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", ssl.VerifyFlags.VERIFY_DEFAULT)
    return context


def _from_kubeconfig(path: Path) -> Endpoint:
    # Only here, outside pods: runners in pods need no YAML.
    import yaml

    try:
        document: dict[str, Any] = yaml.safe_load(path.read_text())
        contexts = {each["name"]: each["context"] for each in document["contexts"]}
        context = contexts[document["current-context"]]
        clusters = {each["name"]: each["cluster"] for each in document["clusters"]}
        users = {each["name"]: each["user"] for each in document["users"]}
        cluster, user = clusters[context["cluster"]], users[context["user"]]
        url = str(cluster["server"]).rstrip("/")
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise NoEndpointError(
            f"KUBECONFIG names {path}, which is no usable kubeconfig: {error!r}"
        ) from error
    tls = _tls_of(path.parent, cluster, user) if url.startswith("https:") else None
    if "tokenFile" in user:
        return Endpoint(url, tls, Token(file=path.parent / user["tokenFile"]))
    return Endpoint(url, tls, Token(fixed=user.get("token", "")))


def _tls_of(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    if data := cluster.get("certificate-authority-data"):
        context = _context(cadata=base64.b64decode(data).decode())
    elif file := cluster.get("certificate-authority"):
        context = _context(cafile=str(folder / file))
    else:
        context = _context()
    if data := user.get("client-certificate-data"):
        # OpenSSL reads a certificate with its key from files only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(base64.b64decode(data) + b"\n" + base64.b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
    elif file := user.get("client-certificate"):
        context.load_cert_chain(str(folder / file), str(folder / user["client-key"]))
    return context
