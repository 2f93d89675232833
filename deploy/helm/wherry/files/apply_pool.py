"""Apply the chart's RunnerPool: the operator's pod runs this before the operator starts.

Waits until the API server knows RunnerPools. Writes nothing when the pool was made from this very
manifest before, so that a later `kubectl scale` survives restarts. Standard library only.
"""

import contextlib
import hashlib
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
HASH = "wherry.dev/applied-hash"
PAUSE_SECONDS = 2.0
NOT_FOUND = 404


def wanted_pool(manifest: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any]:
    """Return the pool to apply: the manifest with its hash, owned by the ConfigMap ``owner``."""
    text = json.dumps(manifest, sort_keys=True)
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {HASH: hashlib.sha256(text.encode()).hexdigest()}
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
    ]
    return {**manifest, "metadata": metadata}


def up_to_date(current: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Return whether ``current`` was made from the same manifest by the same owner."""
    if current is None:
        return False
    metadata = current["metadata"]
    owners = {reference["uid"] for reference in metadata.get("ownerReferences", [])}
    return (
        metadata.get("annotations", {}).get(HASH) == wanted["metadata"]["annotations"][HASH]
        and wanted["metadata"]["ownerReferences"][0]["uid"] in owners
    )


class ApiServer:
    """Sends JSON to the API server, as the pod's service account."""

    def __init__(self, url: str, account: Path) -> None:
        self._url = url
        self._account = account
        self._tls = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return the answer. Raises OSError, as urllib does."""
        token = (self._account / "token").read_text(encoding="utf-8").strip()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/apply-patch+yaml",
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310
            self._url + path, data=data, headers=headers, method=method
        )
        with urllib.request.urlopen(request, context=self._tls, timeout=10) as answer:  # noqa: S310
            document: dict[str, Any] = json.load(answer)
        return document


def apply(server: ApiServer, manifest: dict[str, Any], config_map: str) -> str:
    """Bring the pool up to date and return a sentence that says what was done."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    owner = server.send("GET", f"/api/v1/namespaces/{namespace}/configmaps/{config_map}")
    wanted = wanted_pool(manifest, owner)
    pools = f"/apis/wherry.dev/v1/namespaces/{namespace}/runnerpools"
    try:
        current = server.send("GET", f"{pools}/{name}")
    except urllib.error.HTTPError as error:
        # The same 404 comes while RunnerPools are unknown; then the patch below fails with it.
        if error.code != NOT_FOUND:
            raise
        current = None
    if up_to_date(current, wanted):
        return f"RunnerPool {namespace}/{name} is up to date."
    server.send("PATCH", f"{pools}/{name}?fieldManager=wherry-chart&force=true", wanted)
    return f"RunnerPool {namespace}/{name} is applied."


def describe(error: OSError) -> str:
    """Return what went wrong, with the API server's own words where it gave some."""
    if not isinstance(error, urllib.error.HTTPError):
        return str(error)
    if error.code == NOT_FOUND and "/apis/wherry.dev/" in error.url:
        return "the API server knows no RunnerPools; are the CRDs installed? (crds.enabled)"
    text = error.read().decode(errors="replace")
    with contextlib.suppress(ValueError):
        text = json.loads(text).get("message", text)
    return f"{error.code} {text.strip()}"


def main() -> int:
    """Try until the pool is applied; return the exit status."""
    manifest = json.loads(Path(os.environ["POOL_FILE"]).read_text(encoding="utf-8"))
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    if ":" in host:
        host = f"[{host}]"
    account = Path(os.environ.get("ACCOUNT_FOLDER", ACCOUNT_FOLDER))
    server = ApiServer(f"https://{host}:{port}", account)
    said = ""
    while True:
        try:
            said = apply(server, manifest, os.environ["OWNER_CONFIG_MAP"])
            sys.stderr.write(f"{said}\n")
        except OSError as error:
            sentence = f"The RunnerPool is not applied yet: {describe(error)}"
            if sentence != said:
                sys.stderr.write(f"{sentence}\n")
            said = sentence
            time.sleep(PAUSE_SECONDS)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main())
