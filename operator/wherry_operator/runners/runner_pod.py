"""The pod of one runner, made from its pool's template."""

import copy
from typing import Any, Final

from wherry_core.resources import RunnerPool
from wherry_core.resources.base import API_VERSION
from wherry_operator.intake.pod_view import POOL_LABEL, RUNNER_CONTAINER, TEMPLATE_HASH_ANNOTATION
from wherry_operator.pools.plan import template_hash

RUNNER_LABELS: Final = {
    "app.kubernetes.io/name": "wherry",
    "app.kubernetes.io/component": "runner",
}


class UnusableTemplateError(ValueError):
    """The pool's template cannot make a runner."""


def runner_pod(pool: RunnerPool, name: str) -> dict[str, Any]:
    """Return the Pod named ``name``, owned by ``pool``.

    The owner reference does not block the owner's deletion: that would need a permission more.
    Raises UnusableTemplateError when no container of the template is named "runner".
    """
    template = pool.spec.template
    spec = copy.deepcopy(template.spec)
    runner = next(
        (each for each in spec.get("containers", ()) if each.get("name") == RUNNER_CONTAINER), None
    )
    if runner is None:
        raise UnusableTemplateError(
            f'The template has no container named "{RUNNER_CONTAINER}": name the one that runs '
            "wherry-jobrunner so."
        )
    own = {
        "WHERRY_RUNNER_NAME": name,
        "WHERRY_POOL": pool.metadata.name,
        "WHERRY_CONCURRENCY": str(pool.spec.concurrency),
    }
    given = [each for each in runner.get("env") or () if each.get("name") not in own]
    runner["env"] = given + [{"name": key, "value": value} for key, value in own.items()]
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
                TEMPLATE_HASH_ANNOTATION: template_hash(pool),
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
