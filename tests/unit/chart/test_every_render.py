"""Invariants of every render."""

import re

import pytest

from tests.unit.chart.renders import (
    NAMESPACE,
    OTHER_KINDS,
    SERVICE_MONITOR,
    VARIANTS,
    Values,
    container,
    is_pool_config_map,
    pod_templates,
    render,
    render_text,
    render_uncached,
)

CLUSTER_SCOPED = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
every_variant = pytest.mark.parametrize(
    "values",
    [*VARIANTS.values(), OTHER_KINDS, SERVICE_MONITOR],
    ids=[*VARIANTS, "http route, pod monitor and alerts", "service monitor"],
)


@every_variant
def test_two_renders_are_the_same(values: Values) -> None:
    assert render_uncached(values) == render_text(values)


@every_variant
def test_every_object_has_labels_and_a_namespace(values: Values) -> None:
    documents = render(values)
    keys = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for each in documents
    }
    assert len(keys) == len(documents)
    for each in documents:
        metadata = each["metadata"]
        assert metadata["labels"]["app.kubernetes.io/name"] == "wherry"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "wherry"
        assert len(metadata["name"]) <= 253
        assert ("namespace" in metadata) == (each["kind"] not in CLUSTER_SCOPED)
        if each["kind"] not in {"Role", "RoleBinding"} and "namespace" in metadata:
            assert metadata["namespace"] == NAMESPACE


@every_variant
def test_every_pod_is_restricted(values: Values) -> None:
    for name, template in pod_templates(render(values)):
        spec = template["spec"]
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name
        assert spec["enableServiceLinks"] is False
        assert "hostNetwork" not in spec
        ours = [
            each
            for each in spec["containers"] + spec.get("initContainers", [])
            if each["name"] not in {"sidecar", "init"}
        ]
        for each in ours:
            context = {key: each["securityContext"][key] for key in each["securityContext"]}
            context.pop("runAsUser", None)
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert each["resources"]["requests"]
            assert each["resources"]["limits"]["memory"]
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "configMap", "secret"}


@every_variant
def test_only_the_three_programs_mount_a_token(values: Values) -> None:
    documents = render(values)
    for each in documents:
        if each["kind"] == "ServiceAccount":
            assert each["automountServiceAccountToken"] is False
    for name, template in pod_templates(documents):
        ours = {"runner", "api", "operator"} & {each["name"] for each in containers(template)}
        assert template["spec"]["automountServiceAccountToken"] is bool(ours), name


def containers(template: Values) -> list[Values]:
    """Return the containers of a pod template."""
    found: list[Values] = template["spec"]["containers"]
    return found


@every_variant
def test_selectors_match_the_pods(values: Values) -> None:
    """Every Service, NetworkPolicy and PodDisruptionBudget selects the intended pods."""
    documents = render(values)
    labels = [template["metadata"]["labels"] for _, template in pod_templates(documents)]
    for each in documents:
        spec = each.get("spec", {})
        selector = {
            "Service": lambda spec: spec["selector"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
        }.get(each["kind"])
        if selector is None:
            continue
        selected = [one for one in labels if selector(spec).items() <= one.items()]
        component = selector(spec)["app.kubernetes.io/component"]
        expected = 0 if component == "runner" and not _has_pool(documents) else 1
        assert len(selected) == expected, each["metadata"]["name"]


def _has_pool(documents: list[Values]) -> bool:
    return any(is_pool_config_map(each) for each in documents)


@every_variant
def test_no_number_became_a_float_and_no_value_went_missing(values: Values) -> None:
    text = render_text(values)
    assert not re.search(r": [0-9.]+e\+[0-9]+", text)
    assert "<no value>" not in text
    assert "%!" not in text


def test_extra_env_overrides_the_chart_s_variables() -> None:
    """They replace them, because the API server rejects a list with a duplicate name."""
    documents = render(VARIANTS["everything extra"])
    for name, template in pod_templates(documents):
        if "test" in name:
            continue
        program = name.removeprefix("wherry-")
        env = container(template, program)["env"]
        (level,) = [each["value"] for each in env if each["name"] == "WHERRY_LOG_LEVEL"]
        assert level == "debug"
