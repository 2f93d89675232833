"""``wherry-operator apply-pool``: applies the chart's RunnerPool before the operator starts.

Waits until the API server serves RunnerPools. Writes nothing when the pool was made from this very
manifest before, so that a later ``kubectl scale`` survives restarts.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wherry_core.kubernetes import client as kubernetes_client
from wherry_core.kubernetes.client import APPLY_PATCH, KubernetesClient
from wherry_core.kubernetes.errors import CredentialsError, KubernetesError, NotFoundError
from wherry_core.kubernetes.paths import config_maps_path, pools_path
from wherry_core.resources.names import APPLIED_HASH_ANNOTATION

PAUSE_SECONDS: Final = 2.0
FIELD_MANAGER: Final = "wherry-chart"
UNUSABLE: Final = 2


def main() -> int:
    """Apply the pool that ``POOL_FILE`` holds, owned by ``OWNER_CONFIG_MAP``; return the status.

    Ends with 0 once it is applied, and with 2 and one sentence when it can never be.
    """
    # Nothing is open that would have to be closed.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        manifest = json.loads(Path(os.environ["POOL_FILE"]).read_text(encoding="utf-8"))
        owner = os.environ["OWNER_CONFIG_MAP"]
    except KeyError as error:
        sys.stderr.write(f"{error.args[0]} is not set. The chart sets it for apply-pool.\n")
        return UNUSABLE
    except (OSError, ValueError) as error:
        sys.stderr.write(f"POOL_FILE cannot be read: {error}. It must hold a RunnerPool as JSON.\n")
        return UNUSABLE
    try:
        asyncio.run(apply_until_done(manifest, owner))
    except CredentialsError as error:
        sys.stderr.write(f"{error}\n")
        return UNUSABLE
    return 0


async def apply_until_done(manifest: dict[str, Any], config_map: str) -> None:
    """Try until the pool is applied; write each new reason for waiting. Raises CredentialsError."""
    written = ""
    async with await kubernetes_client.connect(max_connections=1) as kubernetes:
        while True:
            try:
                sentence = await apply(kubernetes, manifest, config_map)
            except KubernetesError as error:
                sentence, done = f"The RunnerPool is not applied yet: {describe(error)}", False
            else:
                done = True
            if sentence != written:
                sys.stderr.write(f"{sentence}\n")
            if done:
                return
            written = sentence
            await asyncio.sleep(PAUSE_SECONDS)


async def apply(kubernetes: KubernetesClient, manifest: dict[str, Any], config_map: str) -> str:
    """Bring the pool up to date and return a sentence that says what was done.

    Raises KubernetesError.
    """
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    owner = await kubernetes.request("GET", config_maps_path(namespace, config_map))
    wanted = wanted_pool(manifest, owner)
    path = pools_path(namespace, name)
    try:
        current = await kubernetes.request("GET", path)
    except NotFoundError:
        # Also the answer while RunnerPools are not served; then the patch below fails with it.
        current = None
    if is_up_to_date(current, wanted):
        return f"RunnerPool {namespace}/{name} is up to date."
    try:
        await kubernetes.request(
            "PATCH",
            path,
            body=wanted,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type=APPLY_PATCH,
        )
    except NotFoundError as error:
        raise NotServedError(error.status, error.reason, error.message) from error
    return f"RunnerPool {namespace}/{name} is applied."


class NotServedError(KubernetesError):
    """The API server does not serve RunnerPools."""


def describe(error: KubernetesError) -> str:
    """Return what went wrong, with the API server's own message where there is one."""
    if isinstance(error, NotServedError):
        return "the API server serves no RunnerPools. Install the CRDs (crds.enabled)."
    return f"{error.status} {error.message}" if error.status else error.message


def wanted_pool(manifest: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pool to apply: the manifest with its hash, owned by the ConfigMap ``owner``."""
    text = json.dumps(manifest, sort_keys=True)
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {APPLIED_HASH_ANNOTATION: hashlib.sha256(text.encode()).hexdigest()}
    metadata["ownerReferences"] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
    ]
    return {**manifest, "metadata": metadata}


def is_up_to_date(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Return whether ``current`` was made from the same manifest by the same owner."""
    if current is None:
        return False
    metadata = current["metadata"]
    owners = {reference["uid"] for reference in metadata.get("ownerReferences", [])}
    applied = metadata.get("annotations", {}).get(APPLIED_HASH_ANNOTATION)
    return (
        applied == wanted["metadata"]["annotations"][APPLIED_HASH_ANNOTATION]
        and wanted["metadata"]["ownerReferences"][0]["uid"] in owners
    )
