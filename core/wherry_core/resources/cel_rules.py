"""The CEL rules of the two resources: what the API server itself refuses.

Written into the CRDs as ``x-kubernetes-validations``
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules).
"""

from typing import Any, Final

Schema = dict[str, Any]
"""A part of a JSON schema, added to that of a model or a field."""

INSTEAD: Final = "create a new DownloadJob instead"


def rules(*pairs: tuple[str, str]) -> Schema:
    """Return the schema with rules; each pair is a CEL expression and the message of a refusal."""
    return {
        "x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]
    }


def immutable(field: str) -> Schema:
    """Return the rule with which the API server refuses changes of ``field``."""
    return rules(("self == oldSelf", f"{field} is immutable: {INSTEAD}"))


def present_as_before(*fields: str) -> Schema:
    """Return the rules that optional ``fields`` of a spec are neither added nor removed."""
    return rules(
        *(
            (f"has(self.{field}) == has(oldSelf.{field})", f"{field} is immutable: {INSTEAD}")
            for field in fields
        )
    )


CANCEL: Final = rules(("self || !oldSelf", f"cancel cannot be undone: {INSTEAD}"))

JOB_STATUS: Final = rules(
    (
        (
            "!has(oldSelf.phase) || "
            "!(oldSelf.phase in ['Completed', 'Failed', 'Cancelled']) || "
            "(has(self.phase) && self.phase == oldSelf.phase)"
        ),
        "phase cannot change once the job has ended",
    ),
    ("self.attempt >= oldSelf.attempt", "attempt cannot decrease"),
)

POOL_SPEC: Final = rules(
    ("self.minRunners <= self.maxRunners", "minRunners must not be greater than maxRunners")
)

RESOURCE: Final = rules(
    # Without this rule, removing the status would bypass the rules within it.
    ("!has(oldSelf.status) || has(self.status)", "status cannot be removed")
)
