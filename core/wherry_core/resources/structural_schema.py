"""Conversion of a Pydantic model to the structural schema of a CRD.

Kubernetes accepts a subset of OpenAPI v3: no references, no unions, no titles. Source:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from typing import Any

from pydantic import BaseModel

DROPPED = frozenset({"title", "additionalProperties", "$defs"})
KEPT = frozenset(
    {
        "default",
        "description",
        "enum",
        "format",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "pattern",
        "type",
    }
)


class UnsupportedSchemaError(ValueError):
    """A model uses something that a structural schema cannot express."""


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of ``model``.

    Raises UnsupportedSchemaError for unions, floats and free-form maps, which the API server
    would accept without any bounds.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(document, document.get("$defs", {}), model.__name__)


def _convert(node: dict[str, Any], definitions: dict[str, Any], where: str) -> dict[str, Any]:
    node = _resolve(node, definitions, where)
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return _free_form(node)
    kind = node.get("type")
    if kind not in {"object", "array", "string", "integer", "boolean"}:
        raise UnsupportedSchemaError(
            f"{where}: type {kind!r} is not allowed in a structural schema"
        )
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED or key in {"properties", "required", "items"}:
            continue
        if key in KEPT or key.startswith("x-kubernetes-"):
            result[key] = value
        elif key not in {"anyOf", "allOf", "$ref"}:
            raise UnsupportedSchemaError(f"{where}: a structural schema has no {key!r}")
    if kind == "object":
        if "properties" not in node:
            raise UnsupportedSchemaError(f"{where}: a map without declared properties")
        result["properties"] = {
            name: _convert(child, definitions, f"{where}.{name}")
            for name, child in node["properties"].items()
        }
        if node.get("required"):
            result["required"] = list(node["required"])
    if kind == "array":
        result["items"] = _convert(node["items"], definitions, f"{where}[]")
    return result


def _resolve(node: dict[str, Any], definitions: dict[str, Any], where: str) -> dict[str, Any]:
    """Inline references, and unwrap ``X | None``: an optional field may be absent."""
    merged = dict(node)
    if "anyOf" in merged:
        choices = [choice for choice in merged.pop("anyOf") if choice.get("type") != "null"]
        if len(choices) != 1:
            raise UnsupportedSchemaError(f"{where}: a union of types")
        merged = {**_resolve(choices[0], definitions, where), **merged}
        if merged.get("default", ...) is None:
            del merged["default"]
    if "$ref" in merged:
        name = merged.pop("$ref").rsplit("/", 1)[-1]
        merged = {**_resolve(definitions[name], definitions, where), **merged}
    return merged


def _free_form(node: dict[str, Any]) -> dict[str, Any]:
    kept = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if "description" in node:
        kept["description"] = node["description"]
    return kept
