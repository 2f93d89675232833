from typing import Any

import pytest

from wherry_core.resources import ResourceModel
from wherry_core.resources.custom_resource_definitions import download_job_crd, runner_pool_crd
from wherry_core.resources.structural_schema import UnsupportedSchemaError, structural_schema


class WithUnion(ResourceModel):
    value: int | str


class WithFloat(ResourceModel):
    value: float


class WithMap(ResourceModel):
    value: dict[str, str]


@pytest.mark.parametrize("model", [WithUnion, WithFloat, WithMap])
def test_what_a_structural_schema_cannot_say_is_refused(model: type[ResourceModel]) -> None:
    with pytest.raises(UnsupportedSchemaError, match=model.__name__):
        structural_schema(model)


def nodes(node: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every schema node with its path, except inside free-form pod templates."""
    found = [(path, node)]
    for name, child in node.get("properties", {}).items():
        found += nodes(child, f"{path}.{name}")
    if "items" in node:
        found += nodes(node["items"], f"{path}[]")
    return found


@pytest.mark.parametrize("crd", [download_job_crd(), runner_pool_crd()], ids=["job", "pool"])
def test_every_list_and_string_is_bounded_and_nothing_is_a_float(crd: dict[str, Any]) -> None:
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for part in ("spec", "status"):
        for path, node in nodes(schema[part], part):
            assert node["type"] != "number", path
            assert node.get("description") or path in ("spec", "status") or path.endswith("[]"), (
                f"{path} has no description"
            )
            if node["type"] == "array":
                assert "maxItems" in node, path
                assert "x-kubernetes-list-type" in node, path
            if node["type"] == "string":
                bounded = "maxLength" in node or "enum" in node or node.get("format") == "date-time"
                assert bounded, path
            if node["type"] == "integer":
                assert "minimum" in node, path
