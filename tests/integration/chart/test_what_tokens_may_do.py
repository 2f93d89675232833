"""What each program's token can do, according to the real API server."""

import subprocess

import pytest

from localcluster import assets
from tests.integration.chart.conftest import Admin

JOBS = "downloadjobs.wherry.dev"
POOLS = "runnerpools.wherry.dev"
VERBS = ("get", "list", "watch", "create", "patch", "update", "delete", "deletecollection")
EVERYTHING = (
    *("secrets", "configmaps", "pods", "pods/exec", "pods/log", "pods/status", "pods/eviction"),
    *("pods/ephemeralcontainers", "serviceaccounts", "serviceaccounts/token", "services"),
    *("events", "events.events.k8s.io", "leases.coordination.k8s.io", "deployments.apps"),
    *("jobs.batch", "networkpolicies.networking.k8s.io", "roles.rbac.authorization.k8s.io"),
    *("rolebindings.rbac.authorization.k8s.io", "persistentvolumeclaims", POOLS),
    *(f"{POOLS}/status", f"{POOLS}/scale", JOBS, f"{JOBS}/status"),
)
CLUSTER_WIDE = (
    *("nodes", "namespaces", "persistentvolumes", "clusterroles.rbac.authorization.k8s.io"),
    *(
        "clusterrolebindings.rbac.authorization.k8s.io",
        "certificatesigningrequests.certificates.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        JOBS,
        POOLS,
        "pods",
        "secrets",
    ),
    *("validatingwebhookconfigurations.admissionregistration.k8s.io",),
)
ACCOUNTS = ("wherry-api", "wherry-operator", "wherry-runner")
OTHERS = [
    ("get", "secrets"),
    ("list", "secrets"),
    ("get", "configmaps"),
    ("create", "pods/exec"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("create", "serviceaccounts/token"),
    ("list", "namespaces"),
    ("get", "nodes"),
    ("deletecollection", JOBS),
    ("update", JOBS),
    ("update", f"{JOBS}/status"),
]


@pytest.fixture
def release(admin: Admin) -> Admin:
    """An installed release whose only tenant is team-a."""
    admin.plane.kubectl(
        "apply",
        "-f",
        "-",
        stdin='{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-a"}}',
    )
    admin.install({"tenants": ["team-a"]})
    return admin


def test_in_the_tenant_s_namespace(release: Admin) -> None:
    allowed = release.allowed(
        (account, verb, resource, "team-a")
        for account in ACCOUNTS
        for resource in (JOBS, f"{JOBS}/status")
        for verb in ("get", "list", "watch", "create", "patch", "update", "delete")
    )
    assert {question[:3] for question in allowed} == {
        *(("wherry-api", verb, JOBS) for verb in ("get", "list", "create", "patch")),
        *(
            ("wherry-operator", verb, JOBS)
            for verb in ("get", "list", "watch", "create", "patch", "delete")
        ),
        ("wherry-operator", "patch", f"{JOBS}/status"),
        ("wherry-runner", "get", JOBS),
        ("wherry-runner", "patch", f"{JOBS}/status"),
    }


def test_nowhere_anything_else(release: Admin) -> None:
    everywhere = (release.namespace, "team-a", "kube-system", "default")
    assert not release.allowed(
        (account, verb, resource, namespace)
        for account in ACCOUNTS
        for namespace in everywhere
        for verb, resource in OTHERS
    )
    assert not release.allowed(
        (account, verb, JOBS, "default")
        for account in ACCOUNTS
        for verb in ("get", "list", "create", "patch")
    )


def test_the_whole_of_what_each_may_do_in_the_release_s_namespace(release: Admin) -> None:
    """Permissions for one object by name are left out: the questions name no object."""
    allowed = release.allowed(
        (account, verb, resource, release.namespace)
        for account in ACCOUNTS
        for resource in EVERYTHING
        for verb in VERBS
    )
    assert {question[:3] for question in allowed} == {
        *(("wherry-operator", verb, POOLS) for verb in ("get", "list", "watch", "create")),
        ("wherry-operator", "patch", f"{POOLS}/status"),
        *(("wherry-operator", verb, "pods") for verb in ("get", "list", "watch", "create")),
        ("wherry-operator", "delete", "pods"),
        ("wherry-operator", "create", "leases.coordination.k8s.io"),
        ("wherry-operator", "create", "events.events.k8s.io"),
        ("wherry-operator", "patch", "events.events.k8s.io"),
    }


def test_nothing_in_the_whole_cluster_and_nobody_else_s_rights(release: Admin) -> None:
    assert not release.allowed(
        (account, verb, resource, "")
        for account in ACCOUNTS
        for resource in CLUSTER_WIDE
        for verb in VERBS
    )
    assert not release.allowed(
        (account, verb, resource, release.namespace)
        for account in ACCOUNTS
        for verb, resource in (
            ("impersonate", "serviceaccounts"),
            ("escalate", "roles.rbac.authorization.k8s.io"),
            ("bind", "roles.rbac.authorization.k8s.io"),
        )
    )


def test_only_the_operator_handles_pods_and_only_in_the_release_s_namespace(
    release: Admin,
) -> None:
    allowed = release.allowed(
        (account, verb, "pods", namespace)
        for account in ACCOUNTS
        for namespace in (release.namespace, "team-a")
        for verb in ("get", "list", "watch", "create", "patch", "delete")
    )
    assert allowed == {
        ("wherry-operator", verb, "pods", release.namespace)
        for verb in ("get", "list", "watch", "create", "delete")
    }


def test_a_runner_s_real_token_cannot_read_the_secrets(release: Admin) -> None:
    release.kubectl("create", "secret", "generic", "s3", "--from-literal=key=secret")
    token = release.kubectl("create", "token", "wherry-runner").strip()
    command = [str(assets.program("kubectl")), "--server", release.plane.url, "--token", token]
    command += ["--certificate-authority", str(release.plane.state / "pki" / "ca.crt")]
    command += ["--kubeconfig", "/dev/null", "--namespace", release.namespace]
    for words in (["get", "secret", "s3"], ["get", "secrets"], ["get", JOBS]):
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert "Forbidden" in done.stderr
