"""The pod of one runner, made from its pool's template."""

import copy
from typing import Any, Final

from wherry_core.resources import RunnerPool
from wherry_core.resources.base import API_VERSION
from wherry_core.resources.names import POOL_LABEL, TEMPLATE_HASH_ANNOTATION
from wherry_operator.intake.pod_view import RUNNER_CONTAINER
from wherry_operator.pools.plan import template_hash

RUNNER_LABELS: Final = {
    "app.kubernetes.io/name": "wherry",
    "app.kubernetes.io/component": "runner",
}


class UnusableTemplateError(ValueError):
    """The pool's template cannot make a runner."""


def runner_pod(pool: RunnerPool, name: str, release: str) -> dict[str, Any]:
    """Return the Pod named ``name``, owned by ``pool``.

    ``release`` is that of the keys in Redis, "" for keys without one. The owner reference does not
    block the owner's deletion, because that would need one more permission.
    Raises UnusableTemplateError when no container of the template is named "runner".
    """
    template = pool.spec.template
    spec = copy.deepcopy(template.spec)
    runner = next(
        (each for each in spec.get("containers", ()) if each.get("name") == RUNNER_CONTAINER), None
    )
    if runner is None:
        raise UnusableTemplateError(
            f'The template has no container named "{RUNNER_CONTAINER}". Give this name to the '
            "container that runs wherry-jobrunner."
        )
    own: list[dict[str, Any]] = [
        {"name": "WHERRY_RUNNER_NAME", "value": name},
        {"name": "WHERRY_RUNNER_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "WHERRY_POOL", "value": pool.metadata.name},
        {"name": "WHERRY_CONCURRENCY", "value": str(pool.spec.concurrency)},
        *([{"name": "WHERRY_RELEASE", "value": release}] if release else []),
    ]
    names = {"WHERRY_RELEASE", *(each["name"] for each in own)}
    given = [each for each in runner.get("env") or () if each.get("name") not in names]
    runner["env"] = [*given, *own]
    spec["restartPolicy"] = "Never"
    metadata = template.metadata
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": pool.metadata.namespace,
            "labels": {
                **(metadata.get("labels") or {}),
                **RUNNER_LABELS,
                POOL_LABEL: pool.metadata.name,
            },
            "annotations": {
                **(metadata.get("annotations") or {}),
                TEMPLATE_HASH_ANNOTATION: template_hash(pool, release),
            },
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "RunnerPool",
                    "name": pool.metadata.name,
                    "uid": pool.metadata.uid,
                    "controller": True,
                }
            ],
        },
        "spec": spec,
    }
