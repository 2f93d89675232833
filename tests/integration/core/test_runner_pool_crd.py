"""What a real kube-apiserver accepts of a RunnerPool, and its scale subresource."""

from typing import Any

import pytest

from tests.harness.api import POOLS, Api, ApiError
from tests.harness.cluster import Cluster

pytestmark = pytest.mark.asyncio


def pool(**spec: Any) -> dict[str, Any]:
    container = {"name": "runner", "image": "wherry", "env": [{"name": "A", "value": "b"}]}
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "RunnerPool",
        "metadata": {"name": "pool"},
        "spec": {
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
        }
        | spec,
    }


async def test_defaults_are_filled_in_and_the_template_is_kept_unchanged(
    api: Api, namespace: str
) -> None:
    made = await api.create(POOLS, namespace, pool())
    assert made["spec"] == {
        "minRunners": 0,
        "maxRunners": 10,
        "concurrency": 5,
        "idleSeconds": 30,
        "stepUp": 20,
        "paused": False,
        "template": pool()["spec"]["template"],
    }


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"minRunners": 3, "maxRunners": 2}, "minRunners must not be greater than maxRunners"),
        ({"minRunners": 11}, "minRunners must not be greater than maxRunners"),
        ({"concurrency": 0}, "should be greater than or equal to 1"),
        ({"concurrency": 101}, "should be less than or equal to 100"),
        ({"maxRunners": 1001}, "should be less than or equal to 1000"),
        ({"template": None}, "spec.template: Required value"),
    ],
)
async def test_refused(api: Api, namespace: str, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as refused:
        await api.create(POOLS, namespace, pool(**spec))
    assert refused.value.status == 422
    assert said in str(refused.value)


async def test_kubectl_scale_sets_the_maximum_of_runners(
    api: Api, namespace: str, cluster: Cluster
) -> None:
    await api.create(POOLS, namespace, pool())
    cluster.kubectl("scale", "rpool", "pool", "--replicas=4", "--namespace", namespace)
    assert (await api.get(POOLS, namespace, "pool"))["spec"]["maxRunners"] == 4
    await api.patch(
        POOLS, namespace, "pool", {"status": {"runners": 2, "selector": "a=b"}}, sub="status"
    )
    where = f"/apis/wherry.dev/v1/namespaces/{namespace}/runnerpools/pool/scale"
    scale = await api.request("GET", where)
    assert scale["spec"]["replicas"] == 4
    assert scale["status"] == {"replicas": 2, "selector": "a=b"}


async def test_columns_of_kubectl_get(api: Api, namespace: str, cluster: Cluster) -> None:
    await api.create(POOLS, namespace, pool())
    header, row = cluster.kubectl("get", "rpool", "--namespace", namespace).splitlines()
    assert header.split() == [
        "NAME", "MIN", "MAX", "DESIRED", "READY", "BUSY", "WAITING", "CLAIMED", "AGE",
    ]  # fmt: skip
    assert row.split()[:3] == ["pool", "0", "10"]
