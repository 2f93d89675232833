"""A real API server accepts every field of every render and admits the pods as restricted."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.controlplane import ControlPlane
from tests.integration.chart.conftest import RESTRICTED, delete_crds
from tests.integration.chart.foreign_crds import gateway_api_crds, prometheus_operator_crds
from tests.unit.chart.renders import (
    NAMESPACE,
    OTHER_KINDS,
    ROOT,
    SERVICE_MONITOR,
    VARIANTS,
    Document,
    Values,
    find,
    is_pool_config_map,
    pod_templates,
    pool_of,
    render,
)

every_variant = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
STRICT = ("--validate=strict", "--dry-run=server", "-f", "-")
SANDBOX = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "gvisor"},
    "handler": "runsc",
}


@pytest.fixture(scope="module")
def prepared(chart_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with the CRDs and every namespace that a variant names."""
    chart_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    chart_plane.kubectl("wait", "--for=condition=Established", "-f", str(ROOT / "crds"))
    for name in (NAMESPACE, "team-a", "team-b"):
        chart_plane.kubectl("create", "namespace", name)
    chart_plane.kubectl("label", "namespace", NAMESPACE, RESTRICTED)
    account = ("serviceaccount/default", "--namespace", NAMESPACE)
    chart_plane.kubectl("wait", "--for=create", "--timeout=60s", *account)
    chart_plane.kubectl("create", "-f", "-", stdin=json.dumps(SANDBOX))
    yield chart_plane
    delete_crds(chart_plane)


def _lines(documents: list[Document]) -> str:
    return "\n---\n".join(json.dumps(each) for each in documents)


@every_variant
def test_server_side_dry_run(prepared: ControlPlane, values: Values) -> None:
    documents = render(values)
    output = prepared.kubectl(
        "apply", "--server-side", "--force-conflicts", *STRICT, stdin=_lines(documents)
    )
    assert len(output.splitlines()) == len(documents)
    assert "unknown field" not in output


@every_variant
def test_the_pool_is_valid(prepared: ControlPlane, values: Values) -> None:
    documents = render(values)
    if any(is_pool_config_map(each) for each in documents):
        output = prepared.kubectl("create", *STRICT, stdin=json.dumps(pool_of(documents)))
        assert "created (server dry run)" in output


@every_variant
def test_each_pod_is_admitted_as_restricted(prepared: ControlPlane, values: Values) -> None:
    """A Deployment is admitted whatever its pods are, so that the pods themselves are sent."""
    documents = render(values)
    accounts = [each for each in documents if each["kind"] == "ServiceAccount"]
    prepared.kubectl("apply", "-f", "-", stdin=_lines(accounts))
    pods = [_pod(name, template) for name, template in pod_templates(documents)]
    output = prepared.kubectl("create", *STRICT, stdin=_lines(pods))
    assert sorted(output.splitlines()) == sorted(
        f"pod/{pod['metadata']['name']} created (server dry run)" for pod in pods
    )


def _pod(name: str, template: Document) -> Document:
    # Only pods of kube-system may have a system priority class.
    spec = {key: value for key, value in template["spec"].items() if key != "priorityClassName"}
    metadata = {**template["metadata"], "name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_a_pod_that_is_not_restricted_would_be_refused(prepared: ControlPlane) -> None:
    """Shows that the test above can fail."""
    values: Values = {"securityContext": {"allowPrivilegeEscalation": True}}
    template = dict(pod_templates(render(values)))["wherry-test-health"]
    with pytest.raises(Exception, match="violates PodSecurity"):
        prepared.kubectl("create", *STRICT, stdin=json.dumps(template))


def _serve(plane: ControlPlane, crd: Path) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(crd))
    plane.kubectl("wait", "--for=condition=Established", "-f", str(crd))


def test_the_route_is_one_of_the_gateway_api(prepared: ControlPlane) -> None:
    _serve(prepared, gateway_api_crds() / "gateway.networking.k8s.io_httproutes.yaml")
    route = find(render(OTHER_KINDS), "HTTPRoute", "wherry-api")
    output = prepared.kubectl("create", *STRICT, stdin=json.dumps(route))
    assert "httproute.gateway.networking.k8s.io/wherry-api created" in output


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("PodMonitor", OTHER_KINDS),
        ("PrometheusRule", OTHER_KINDS),
        ("ServiceMonitor", SERVICE_MONITOR),
    ],
)
def test_monitors_and_alerts_are_those_of_the_prometheus_operator(
    prepared: ControlPlane, kind: str, values: Values
) -> None:
    plural = f"{kind.lower()}s"
    _serve(prepared, prometheus_operator_crds() / f"monitoring.coreos.com_{plural}.yaml")
    made = find(render(values), kind, "wherry")
    output = prepared.kubectl("create", *STRICT, stdin=json.dumps(made))
    assert f"{kind.lower()}.monitoring.coreos.com/wherry created (server dry run)" in output
    made["spec"]["neverHeardOf"] = 1
    with pytest.raises(Exception, match="neverHeardOf"):
        prepared.kubectl("create", *STRICT, stdin=json.dumps(made))


def test_the_services_of_a_service_monitor_are_valid(prepared: ControlPlane) -> None:
    services = [each for each in render(SERVICE_MONITOR) if each["kind"] == "Service"]
    output = prepared.kubectl("create", *STRICT, stdin=_lines(services))
    assert len(output.splitlines()) == 4


def test_install_yaml_is_valid(prepared: ControlPlane) -> None:
    manifest = (ROOT / "deploy" / "install.yaml").read_text(encoding="utf-8")
    output = prepared.kubectl(
        "apply", "--server-side", "--force-conflicts", *STRICT, stdin=manifest
    )
    assert "deployment.apps/wherry-operator serverside-applied" in output
