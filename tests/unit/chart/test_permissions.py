"""The permissions of each program, from the chart's roles and bindings."""

from collections import defaultdict

import pytest

from tests.unit.chart.renders import NAMESPACE, VARIANTS, Document, Values, render

Grants = dict[tuple[str, str], set[str]]
"""(component, namespace or `*`) -> set of "verb group/resource"."""

JOBS = "wherry.dev/downloadjobs"
OPERATOR_JOBS = {
    *(f"{verb} {JOBS}" for verb in ("get", "list", "watch", "create", "patch", "delete")),
    f"patch {JOBS}/status",
    "create events.k8s.io/events",
    "list events.k8s.io/events",
    "patch events.k8s.io/events",
}
API_JOBS = {f"{verb} {JOBS}" for verb in ("get", "list", "create", "patch")}
RUNNER_JOBS = {f"get {JOBS}", f"patch {JOBS}/status"}
OPERATOR_OWN = {
    *(f"{verb} wherry.dev/runnerpools" for verb in ("get", "list", "watch", "create")),
    "patch wherry.dev/runnerpools[default]",
    "patch wherry.dev/runnerpools/status",
    *(f"{verb} /pods" for verb in ("get", "list", "watch", "create", "delete")),
    "create coordination.k8s.io/leases",
    *(f"{verb} coordination.k8s.io/leases[wherry-operator]" for verb in ("get", "update")),
    "get /configmaps[wherry-pool-default]",
}


def _words(rule: Document) -> set[str]:
    names = [f"[{name}]" for name in rule.get("resourceNames", [])] or [""]
    return {
        f"{verb} {group}/{resource}{name}"
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in names
    }


def _aggregated(role: Document) -> set[str]:
    marks = [each.partition("aggregate-to-") for each in role["metadata"]["labels"]]
    return {name for _, mark, name in marks if mark}


def grants(values: Values) -> Grants:
    """Return the permissions that the bindings grant to each component."""
    documents = render(values)
    roles = {
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): each
        for each in documents
        if each["kind"] in {"Role", "ClusterRole"}
    }
    found: Grants = defaultdict(set)
    bound = set()
    for each in documents:
        if each["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        namespace = each["metadata"].get("namespace")
        key = (each["roleRef"]["kind"], namespace, each["roleRef"]["name"])
        bound.add(key)
        (subject,) = each["subjects"]
        assert subject["namespace"] == NAMESPACE
        component = subject["name"].removeprefix("wherry-")
        for rule in roles[key]["rules"]:
            found[component, namespace or "*"] |= _words(rule)
    # Roles for users have no binding; they are aggregated into the cluster's roles.
    own = {key for key, each in roles.items() if not _aggregated(each)}
    assert bound == own, "a role has no binding"
    return dict(found)


def test_by_default_all_permissions_are_in_the_release_s_namespace() -> None:
    assert grants({}) == {
        ("api", "wherry"): API_JOBS,
        ("operator", "wherry"): OPERATOR_JOBS | OPERATOR_OWN,
        ("runner", "wherry"): RUNNER_JOBS,
    }


def test_each_tenant_s_namespace_gets_roles_without_pods() -> None:
    assert grants({"tenants": ["team-a", "team-b"]}) == {
        ("operator", "wherry"): OPERATOR_OWN
        | {"create events.k8s.io/events", "patch events.k8s.io/events"},
        **{("api", team): API_JOBS for team in ("team-a", "team-b")},
        **{("operator", team): OPERATOR_JOBS for team in ("team-a", "team-b")},
        **{("runner", team): RUNNER_JOBS for team in ("team-a", "team-b")},
    }


def test_cluster_wide_grants_only_jobs() -> None:
    found = grants({"clusterWide": True})
    assert found["api", "*"] == API_JOBS
    assert found["operator", "*"] == OPERATOR_JOBS
    assert found["runner", "*"] == RUNNER_JOBS
    assert set(found) == {("api", "*"), ("operator", "*"), ("runner", "*"), ("operator", "wherry")}


def test_reviews_are_granted_only_in_auth_mode_kubernetes() -> None:
    found = grants({"api": {"auth": {"mode": "kubernetes"}}})
    assert found["api", "*"] == {
        "create authentication.k8s.io/tokenreviews",
        "create authorization.k8s.io/subjectaccessreviews",
    }


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_no_variant_grants_wildcards_secrets_or_escalation(values: Values) -> None:
    """No variant grants a wildcard, a Secret, or the power to grant more."""
    for words in grants(values).values():
        for word in words:
            assert "*" not in word
            assert "secrets" not in word
            assert "rbac" not in word
            assert not word.startswith(("impersonate", "escalate", "bind", "deletecollection"))
            assert "pods/exec" not in word


def test_user_roles_grant_jobs_but_neither_status_nor_pools() -> None:
    found = {}
    for each in render(VARIANTS["user roles"]):
        if each["kind"] == "ClusterRole":
            (rule,) = each["rules"]
            found[frozenset(_aggregated(each))] = _words(rule)
    assert found == {
        frozenset({"view", "edit", "admin"}): {
            f"{verb} {JOBS}" for verb in ("get", "list", "watch")
        },
        frozenset({"edit", "admin"}): {f"{verb} {JOBS}" for verb in ("create", "patch")},
    }


def test_rbac_create_false_creates_no_roles() -> None:
    assert grants({"rbac": {"create": False}}) == {}
