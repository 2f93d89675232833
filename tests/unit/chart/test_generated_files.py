"""Generated files of the chart are up to date."""

import json
from typing import Any

import pytest
import yaml

import generate_chart
import generate_settings_page
from localcluster import assets
from tests.unit.chart.renders import CHART, ROOT, VARIANTS, pod_templates, render


def test_generated_files_are_up_to_date() -> None:
    for path, text in generate_chart.rendered(assets.program("helm")).items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is out of date: run make generate"


def test_the_chart_contains_the_repository_s_crds() -> None:
    rendered = [each for each in render({}) if each["kind"] == "CustomResourceDefinition"]
    sources = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "crds").glob("*.yaml"))
    ]
    assert len(rendered) == 2
    assert sorted(rendered, key=lambda each: str(each["metadata"]["name"])) == [
        {
            **source,
            "metadata": {
                "name": source["metadata"]["name"],
                "labels": rendered[0]["metadata"]["labels"],
                "annotations": {"helm.sh/resource-policy": "keep"},
            },
        }
        for source in sources
    ]


def test_crds_enabled_and_keep() -> None:
    kinds = {each["kind"] for each in render({"crds": {"enabled": False}})}
    assert "CustomResourceDefinition" not in kinds
    for each in render({"crds": {"keep": False}}):
        assert "helm.sh/resource-policy" not in each["metadata"].get("annotations", {})


def _keys(value: Any, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return set()
    names = {f"{prefix}{key}" for key in value}
    return names.union(*(_keys(child, f"{prefix}{key}.") for key, child in value.items()))


def _schema_keys(schema: dict[str, Any], whole: dict[str, Any], prefix: str = "") -> set[str]:
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].removeprefix("#/definitions/")]
    names: set[str] = set()
    for key, child in schema.get("properties", {}).items():
        names |= {f"{prefix}{key}"} | _schema_keys(child, whole, f"{prefix}{key}.")
    return names


FREE_FORM = ("resources", "securityContext", "podSecurityContext", "behavior", "annotations")


def test_schema_and_values_have_the_same_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    in_values = {
        key for key in _keys(values) if not any(part in FREE_FORM for part in key.split(".")[:-1])
    }
    assert in_values == _schema_keys(schema, schema)


def test_the_schema_allows_no_unknown_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

    def groups(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [found for each in node for found in groups(each)]
        if not isinstance(node, dict):
            return []
        # A parent chart may add any key to the global values.
        open_on_purpose = node is schema["properties"]["global"]
        own = [node] if "properties" in node and not open_on_purpose else []
        return own + [found for each in node.values() for found in groups(each)]

    for group in groups(schema):
        assert group["additionalProperties"] is False


def test_a_value_without_a_description_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"group\.bare has no description"):
        list(
            generate_chart.described_values(
                "group:\n  # -- Described.\n  described: 1\n  bare: 2\n"
            )
        )


def test_descriptions_may_have_several_lines_and_groups_need_none() -> None:
    text = "# a remark\n\ngroup:\n  # -- First line,\n  # second line.\n  name: [a]\n"
    assert list(generate_chart.described_values(text)) == [
        ("group.name", '["a"]', "First line, second line.")
    ]


def test_the_settings_page_is_up_to_date() -> None:
    page = generate_settings_page.PAGE.read_text(encoding="utf-8")
    assert page == generate_settings_page.page(), "run make generate"


def test_every_variable_of_the_chart_is_on_the_page() -> None:
    page = generate_settings_page.page()
    for _, template in pod_templates(render(VARIANTS["minimal"])):
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                assert f"`{variable['name']}`" in page
