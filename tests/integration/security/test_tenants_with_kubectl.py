"""A tenant's user with a real token reaches their own jobs and nothing else."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from localcluster import paths
from tests.harness import tenants
from tests.harness.api import JOBS, POOLS, Api, ApiError, path
from tests.harness.cluster import Cluster
from tests.harness.fixtures import NamespaceFactory
from tests.harness.jobs import create_job, job_body
from tests.harness.waiting import eventually

USER_RULES: Final = [
    {
        "apiGroups": ["wherry.dev"],
        "resources": ["downloadjobs"],
        "verbs": ["create", "get", "list", "watch", "patch", "update", "delete"],
    }
]
"""What docs/security.md grants a tenant: everything about jobs except their status."""
POLICIES: Final = "admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS: Final = "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


@dataclass(frozen=True)
class Neighbours:
    """Two tenants, and the first one's user."""

    user: Api
    mine: str
    theirs: str


@pytest.fixture
async def neighbours(
    api: Api, cluster: Cluster, make_namespace: NamespaceFactory, tmp_path: Path
) -> AsyncIterator[Neighbours]:
    mine, theirs = await make_namespace("mine"), await make_namespace("theirs")
    kubeconfig = await tenants.service_account_kubeconfig(
        api, cluster, tmp_path, (mine, "user"), {mine: USER_RULES}
    )
    async with await Api.connect(kubeconfig) as user:
        yield Neighbours(user, mine, theirs)


async def refused(user: Api, method: str, where: str, body: object = None) -> None:
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    with pytest.raises(ApiError) as error:
        await user.request(method, where, body=body, content=content)
    assert error.value.status == 403, (method, where, str(error.value))


async def test_a_user_reaches_no_job_of_another_tenant(neighbours: Neighbours, api: Api) -> None:
    user = neighbours.user
    own = await create_job(user, neighbours.mine, ["1"])
    job = await create_job(api, neighbours.theirs, ["1"])
    there = path(JOBS, neighbours.theirs, job.metadata.name)
    for method, where, body in (
        ("GET", there, None),
        ("GET", path(JOBS, neighbours.theirs), None),
        ("GET", path(JOBS), None),
        ("POST", path(JOBS, neighbours.theirs), job_body(["1"])),
        ("PATCH", there, {"spec": {"cancel": True}}),
        ("DELETE", there, None),
    ):
        await refused(user, method, where, body)
    # The body cannot name another namespace than the path.
    elsewhere = job_body(["1"])
    elsewhere["metadata"]["namespace"] = neighbours.theirs
    with pytest.raises(ApiError) as error:
        await user.create(JOBS, neighbours.mine, elsewhere)
    assert error.value.status == 400
    assert (await user.get(JOBS, neighbours.mine, own.metadata.name))["spec"]["fileIDs"] == ["1"]


async def test_a_user_writes_no_status_and_sees_no_pool(neighbours: Neighbours, api: Api) -> None:
    user, mine = neighbours.user, neighbours.mine
    job = await create_job(user, mine, ["1"])
    forged = {"status": {"phase": "Completed", "attempt": 1}}
    await refused(user, "PATCH", path(JOBS, mine, job.metadata.name, "status"), forged)
    await refused(user, "GET", path(POOLS, mine))
    await refused(user, "POST", path(POOLS, mine), {"metadata": {"name": "own"}})
    # Without permission for the subresource, a status in the body is ignored.
    await user.patch(JOBS, mine, job.metadata.name, forged)
    assert "phase" not in (await api.get(JOBS, mine, job.metadata.name)).get("status", {})


async def test_the_policy_in_the_docs_holds_priority_down(neighbours: Neighbours, api: Api) -> None:
    page = (paths.REPOSITORY / "docs/security.md").read_text()
    [text] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    policy, binding = yaml.safe_load_all(text)
    # Only this namespace, because other tests use the cluster too.
    policy["spec"]["matchConstraints"]["namespaceSelector"] = {
        "matchLabels": {"kubernetes.io/metadata.name": neighbours.mine}
    }
    await api.create(POLICIES, None, policy)
    try:
        await api.create(BINDINGS, None, binding)

        async def is_refused() -> bool:
            try:
                await create_job(neighbours.user, neighbours.mine, ["1"], priority=1)
            except ApiError as error:
                return "priority above 0 is for administrators" in str(error)
            return False

        await eventually("the policy to be in force", is_refused)
        await create_job(neighbours.user, neighbours.mine, ["1"])
        await create_job(neighbours.user, neighbours.mine, ["1"], priority=-100)
    finally:
        await api.delete(BINDINGS, None, binding["metadata"]["name"])
        await api.delete(POLICIES, None, policy["metadata"]["name"])
