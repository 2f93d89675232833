"""Install, upgrade, roll back and uninstall with a real helm and a real API server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.waiting import eventually_blocking
from tests.integration.chart.conftest import CRD_PATIENCE_SECONDS, Admin
from tests.unit.chart.renders import CHART, RELEASE

JOB = {
    "apiVersion": "wherry.dev/v1",
    "kind": "DownloadJob",
    "metadata": {"name": "a-job"},
    "spec": {"fileIDs": ["1"]},
}


def pools(admin: Admin) -> list[Any]:
    """Return the pools of the namespace."""
    found: list[Any] = admin.get("runnerpools")["items"]
    return found


def test_one_command_installs_everything_on_an_empty_cluster(admin: Admin, tmp_path: Path) -> None:
    notes = admin.install({"redis": {"host": "", "embedded": {"enabled": True}}})
    assert "WARNING: api.auth.mode is none" in notes
    assert f"helm -n {admin.namespace} test wherry" in notes
    assert "/v1/download/initiate" in notes

    def pods() -> set[str]:
        return {each["metadata"]["name"].rsplit("-", 2)[0] for each in admin.get("pods")["items"]}

    eventually_blocking(
        "the pods of all components",
        pods,
        lambda names: names == {"wherry-api", "wherry-operator", "wherry-redis"},
        within=60,
    )
    done = admin.apply_pool(tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"RunnerPool {admin.namespace}/default is applied." in done.stderr
    (pool,) = pools(admin)
    assert pool["spec"]["maxRunners"] == 10


def test_the_pool_follows_the_values_and_keeps_what_kubectl_set(
    admin: Admin, tmp_path: Path
) -> None:
    admin.install({})
    admin.apply_pool(tmp_path)
    admin.kubectl("scale", "runnerpool/default", "--replicas=3")
    again = admin.apply_pool(tmp_path)
    assert "is up to date" in again.stderr
    assert pools(admin)[0]["spec"]["maxRunners"] == 3
    before = admin.get("deployment", "wherry-operator")["spec"]["template"]

    admin.install({"defaultPool": {"concurrency": 7}, "runner": {"podLabels": {"team": "a"}}})
    assert admin.get("deployment", "wherry-operator")["spec"]["template"] != before
    assert "is applied" in admin.apply_pool(tmp_path).stderr
    (pool,) = pools(admin)
    assert (pool["spec"]["concurrency"], pool["spec"]["maxRunners"]) == (7, 10)
    assert pool["spec"]["template"]["metadata"]["labels"]["team"] == "a"
    uid = pool["metadata"]["uid"]

    done = admin.helm("rollback", RELEASE, "1")
    assert done.returncode == 0, done.stderr
    assert "is applied" in admin.apply_pool(tmp_path).stderr
    (pool,) = pools(admin)
    assert pool["spec"]["concurrency"] == 5
    assert "team" not in pool["spec"]["template"]["metadata"]["labels"]
    assert pool["metadata"]["uid"] == uid, "its runners would have been deleted with it"


def test_a_missing_crd_is_waited_for_and_named(admin: Admin, tmp_path: Path) -> None:
    admin.install({"crds": {"enabled": False}})
    with pytest.raises(TimeoutError) as stopped:
        admin.apply_pool(tmp_path, patience_seconds=20)
    assert "Install the CRDs (crds.enabled)." in str(stopped.value)
    assert str(stopped.value).count("not applied yet") == 1


def test_uninstall_keeps_crds_and_jobs_and_ends_the_pool(admin: Admin, tmp_path: Path) -> None:
    admin.install({})
    admin.apply_pool(tmp_path)
    admin.kubectl("create", "-f", "-", stdin=json.dumps(JOB))
    output = admin.uninstall()
    assert "kept due to the resource policy" in output
    assert "[CustomResourceDefinition] downloadjobs.wherry.dev" in output
    assert "[CustomResourceDefinition] runnerpools.wherry.dev" in output
    eventually_blocking(
        "the pool to be gone", lambda: pools(admin), lambda left: not left, within=60
    )
    assert len(admin.get("downloadjobs")["items"]) == 1
    for kind in ("deployment", "role", "rolebinding", "service", "networkpolicy", "configmap"):
        names = {each["metadata"]["name"] for each in admin.get(kind)["items"]}
        assert not {name for name in names if name.startswith("wherry")}, kind
    admin.install({})
    assert len(admin.get("downloadjobs")["items"]) == 1


def test_the_operator_s_replicas_go_up_and_down(admin: Admin) -> None:
    """A single replica is replaced; several are rolled."""
    for replicas, unavailable, surge in ((1, 1, 0), (2, 0, 1), (1, 1, 0)):
        admin.install({"operator": {"replicas": replicas}})
        spec = admin.get("deployment", "wherry-operator")["spec"]
        rolling = {"maxUnavailable": unavailable, "maxSurge": surge}
        assert (spec["replicas"], spec["strategy"]["rollingUpdate"]) == (replicas, rolling)


def test_crds_go_when_they_are_not_kept(admin: Admin) -> None:
    admin.install({"crds": {"keep": False}})
    admin.uninstall()
    eventually_blocking(
        "the CRDs to be gone",
        lambda: admin.get("crds")["items"],
        lambda left: not left,
        within=CRD_PATIENCE_SECONDS,
    )


def test_a_dry_run_changes_nothing(admin: Admin) -> None:
    done = admin.helm("install", RELEASE, str(CHART), "--dry-run=server", values={})
    assert done.returncode == 0, done.stderr
    assert not admin.get("crds")["items"]


def test_upgrading_changes_only_what_the_values_changed(admin: Admin) -> None:
    """An upgrade with the same values leaves every object at its resourceVersion."""
    admin.install({"tenants": [admin.namespace]})
    kinds = "sa,role,rolebinding,svc,networkpolicy,pdb,configmap"

    def versions() -> dict[str, str]:
        found = admin.get(kinds)["items"] + admin.get("crds")["items"]
        return {
            f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
            for each in found
        }

    def generations() -> dict[str, int]:
        found = admin.get("deployments")["items"]
        return {each["metadata"]["name"]: each["metadata"]["generation"] for each in found}

    eventually_blocking(
        "the disruption budgets to have a status",
        lambda: [each["status"] for each in admin.get("pdb")["items"]],
        all,
        within=60,
    )
    before = (versions(), generations())
    admin.install({"tenants": [admin.namespace]})
    after = (versions(), generations())
    assert after[1] == before[1]
    unchanged = {name for name in before[0] if not name.startswith("PodDisruptionBudget")}
    assert {name: after[0][name] for name in unchanged} == {
        name: before[0][name] for name in unchanged
    }
