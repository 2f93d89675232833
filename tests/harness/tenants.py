"""Namespaces, service accounts, permissions and tokens for tests."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.harness.api import Api, ApiError, Resource
from tests.harness.cluster import Cluster

RBAC: Final = "rbac.authorization.k8s.io"
ROLES: Final = f"{RBAC}/v1/roles"
ROLE_BINDINGS: Final = f"{RBAC}/v1/rolebindings"
CLUSTER_ROLES: Final = f"{RBAC}/v1/clusterroles"
CLUSTER_ROLE_BINDINGS: Final = f"{RBAC}/v1/clusterrolebindings"

RUNNER_RULES: Final[list[Resource]] = [
    {"apiGroups": ["wherry.dev"], "resources": ["downloadjobs"], "verbs": ["get"]},
    {"apiGroups": ["wherry.dev"], "resources": ["downloadjobs/status"], "verbs": ["patch"]},
]
"""All that a runner may do in a tenant's namespace."""

OPERATOR_RULES: Final[list[Resource]] = [
    {
        "apiGroups": ["wherry.dev"],
        "resources": ["downloadjobs"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": ["wherry.dev"], "resources": ["runnerpools"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["wherry.dev"],
        "resources": ["downloadjobs/status", "runnerpools/status"],
        "verbs": ["patch"],
    },
    {
        "apiGroups": [""],
        "resources": ["pods"],
        "verbs": ["get", "list", "watch", "create", "delete"],
    },
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "update"],
    },
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
]
"""All that the operator may do where jobs, pools and runners share a namespace."""


async def create_namespace(api: Api, prefix: str = "tenant") -> str:
    """Create a namespace with a name of its own and return the name."""
    name = f"{prefix}-{secrets.token_hex(5)}"
    labels = {"wherry.dev/test": "true"}
    await api.create("namespaces", None, {"metadata": {"name": name, "labels": labels}})
    return name


async def create_service_account(api: Api, namespace: str, name: str) -> None:
    """Create a service account unless it is there."""
    await _ensure(api, "serviceaccounts", namespace, {"metadata": {"name": name}})


async def grant(
    api: Api,
    service_account: tuple[str, str],
    rules: Sequence[Resource],
    *,
    namespace: str | None = None,
) -> None:
    """Allow ``rules`` (as in a Role) to a service account given as (namespace, name).

    They hold in ``namespace``, or in the whole cluster when that is None.
    """
    owner, account = service_account
    name = f"{owner}-{account}-{secrets.token_hex(4)}"
    role_kind = "Role" if namespace else "ClusterRole"
    await api.create(
        ROLES if namespace else CLUSTER_ROLES,
        namespace,
        {"metadata": {"name": name}, "rules": list(rules)},
    )
    await api.create(
        ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS,
        namespace,
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": owner}],
        },
    )


async def request_token(api: Api, namespace: str, name: str, *, seconds: int = 86_400) -> str:
    """Return a fresh token of a service account (TokenRequest). Raises ApiError 404."""
    answer = await api.create(
        "serviceaccounts",
        namespace,
        {"spec": {"expirationSeconds": seconds}},
        name=name,
        sub="token",
    )
    return str(answer["status"]["token"])


async def service_account_kubeconfig(
    api: Api,
    cluster: Cluster,
    folder: Path,
    service_account: tuple[str, str],
    rules_by_namespace: Mapping[str, Sequence[Resource]],
) -> Path:
    """Create a service account that may do just that, and return a kubeconfig that acts as it.

    The key ``*`` of ``rules_by_namespace`` stands for the whole cluster.
    """
    namespace, name = service_account
    await create_service_account(api, namespace, name)
    for where, rules in rules_by_namespace.items():
        await grant(api, service_account, rules, namespace=None if where == "*" else where)
    token = await request_token(api, namespace, name)
    target = folder / f"{namespace}-{name}.kubeconfig"
    return cluster.token_kubeconfig(target, namespace=namespace, token=token)


async def _ensure(api: Api, plural: str, namespace: str, body: dict[str, Any]) -> None:
    try:
        await api.create(plural, namespace, body)
    except ApiError as error:
        if error.status != 409:
            raise
