"""Runner pods: how they are made, and how their ends are read."""

from typing import Any

import pytest

from tests.unit.operator.builders import pool
from wherry_operator.intake.pod_view import read_pod
from wherry_operator.pools.plan import template_hash
from wherry_operator.repair.archive_store import Owner, owner_of
from wherry_operator.runners.runner_pod import UnusableTemplateError, runner_pod
from wherry_operator.settings import OperatorSettings


def templated(**spec: Any) -> Any:
    container = {
        "name": "runner",
        "image": "wherry:1",
        "env": [{"name": "REDIS_HOST", "value": "r"}, {"name": "WHERRY_POOL", "value": "x"}],
    }
    return pool(
        template={
            "metadata": {
                "labels": {"team": "a", "wherry.dev/pool": "other"},
                "annotations": {"b": "c"},
            },
            "spec": {"containers": [{"name": "sidecar"}, container], "restartPolicy": "Always"},
        },
        **spec,
    )


def test_the_pod_is_the_template_with_the_runners_own_parts() -> None:
    made = runner_pod(templated(concurrency=3), "default-runner-4", "wherry/main")
    assert made["metadata"]["namespace"] == "wherry"
    assert made["metadata"]["labels"] == {
        "team": "a",
        "app.kubernetes.io/name": "wherry",
        "app.kubernetes.io/component": "runner",
        "wherry.dev/pool": "default",
    }
    assert made["metadata"]["annotations"]["b"] == "c"
    assert made["spec"]["restartPolicy"] == "Never"
    env = made["spec"]["containers"][1]["env"]
    variables = {each["name"]: each.get("value") or each["valueFrom"] for each in env}
    assert variables == {
        "REDIS_HOST": "r",
        "WHERRY_RUNNER_NAME": "default-runner-4",
        "WHERRY_RUNNER_UID": {"fieldRef": {"fieldPath": "metadata.uid"}},
        "WHERRY_RELEASE": "wherry/main",
        "WHERRY_POOL": "default",
        "WHERRY_CONCURRENCY": "3",
    }
    assert "blockOwnerDeletion" not in made["metadata"]["ownerReferences"][0]


def test_the_template_itself_is_not_changed() -> None:
    seen = templated()
    before = template_hash(seen)
    runner_pod(seen, "default-runner-0", "")
    assert template_hash(seen) == before
    assert template_hash(templated(concurrency=9)) != before
    assert template_hash(seen, "wherry/main") != before


def test_a_pod_without_a_release_has_none_from_its_template() -> None:
    seen = templated()
    seen.spec.template.spec["containers"][1]["env"].append({"name": "WHERRY_RELEASE", "value": "x"})
    made = runner_pod(seen, "default-runner-0", "")
    assert "WHERRY_RELEASE" not in {each["name"] for each in made["spec"]["containers"][1]["env"]}


def test_a_template_without_a_runner_is_refused_with_advice() -> None:
    seen = pool(template={"spec": {"containers": [{"name": "main"}]}})
    with pytest.raises(UnusableTemplateError, match='no container named "runner"'):
        runner_pod(seen, "default-runner-0", "")


def raw_pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "r", "uid": "u", "labels": {}}, "status": status}


def ended(reason: str, code: int = 1) -> list[dict[str, Any]]:
    return [{"name": "runner", "state": {"terminated": {"reason": reason, "exitCode": code}}}]


@pytest.mark.parametrize(
    ("status", "reason", "infrastructure"),
    [
        ({"phase": "Failed", "containerStatuses": ended("OOMKilled", 137)}, "OutOfMemory", False),
        ({"phase": "Failed", "reason": "Evicted", "message": "low disk"}, "RunnerEvicted", True),
        (
            {
                "phase": "Failed",
                "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "Taint"}],
            },
            "RunnerEvicted",
            True,
        ),
        ({"phase": "Failed", "containerStatuses": ended("Error", 3)}, "RunnerFailed", True),
        ({"phase": "Succeeded"}, "RunnerLeft", True),
    ],
)
def test_how_a_runner_ended(status: dict[str, Any], reason: str, infrastructure: bool) -> None:
    end = read_pod(raw_pod(**status)).end
    assert end
    assert (end.reason, end.infrastructure) == (reason, infrastructure)


def test_a_living_pod_has_no_end_and_says_what_delays_it() -> None:
    waiting = {"name": "runner", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    seen = read_pod(raw_pod(phase="Pending", containerStatuses=[waiting], conditions=[scheduled]))
    assert seen.end is None
    assert seen.stuck == "ErrImagePull: no"
    assert seen.unschedulable == "no node takes the pod"
    assert read_pod(raw_pod()).phase == "Pending"


UID = "0e2d2b6c-6d6c-4f3c-9c1e-5b5f4b1f2a3c"


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        (f"archives/tenant/{UID}/2/a.zip", Owner("tenant", UID, "2")),
        (f"archives/tenant/{UID}/2/a/b.zip", Owner("tenant", UID, "2")),
        (f"archives/tenant/{UID}/x/a.zip", None),
        (f"archives/tenant/{UID}", None),
        ("archives/tenant/short/1/a.zip", None),
        (f"files/tenant/{UID}/1/a.zip", None),
        (f"archives/../{UID}/a.zip", None),
    ],
)
def test_whose_a_key_is(key: str, owner: Owner | None) -> None:
    assert owner_of(key, "archives/") == owner


@pytest.mark.parametrize(
    ("given", "tenants"),
    [("", ("wherry",)), ("*", None), ("a, b,a", ("a", "b"))],
)
def test_which_namespaces_are_tenants(given: str, tenants: tuple[str, ...] | None) -> None:
    values = {"WHERRY_NAMESPACE": "wherry", "WHERRY_TENANT_NAMESPACES": given}
    assert OperatorSettings.model_validate(values).tenants == tenants
