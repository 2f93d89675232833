"""The chart's pool is applied once for each manifest and owner, and keeps later scaling."""

from typing import Any

import pytest

from tests.unit.operator.fake_kubernetes import FakeKubernetes
from wherry_core.kubernetes.errors import KubernetesError, NotFoundError, UnavailableError
from wherry_core.kubernetes.paths import config_maps_path, pools_path
from wherry_operator.apply_pool import NotServedError, apply, describe, is_up_to_date, wanted_pool

POOL = pools_path("wherry", "default")


def manifest(max_runners: int = 4) -> dict[str, Any]:
    return {
        "kind": "RunnerPool",
        "metadata": {"name": "default", "namespace": "wherry"},
        "spec": {"maxRunners": max_runners},
    }


def server() -> FakeKubernetes:
    made = FakeKubernetes()
    made.put(config_maps_path("wherry", "owner"), {"metadata": {"uid": "owner-uid"}})
    return made


async def test_a_pool_is_applied_once() -> None:
    seen = server()
    first = await apply(seen.client, manifest(), "owner")
    second = await apply(seen.client, manifest(), "owner")
    assert (first, second) == (
        "RunnerPool wherry/default is applied.",
        "RunnerPool wherry/default is up to date.",
    )
    assert seen.objects[POOL]["metadata"]["ownerReferences"][0]["uid"] == "owner-uid"


async def test_a_changed_manifest_is_applied_and_a_scaled_pool_is_not() -> None:
    seen = server()
    await apply(seen.client, manifest(), "owner")
    seen.objects[POOL]["spec"]["maxRunners"] = 9
    assert "up to date" in await apply(seen.client, manifest(), "owner")
    assert "is applied" in await apply(seen.client, manifest(5), "owner")
    assert seen.objects[POOL]["spec"]["maxRunners"] == 5


async def test_an_api_server_without_the_crds_is_waited_for() -> None:
    seen = server()
    seen.fail = lambda method, path: (
        NotFoundError(404, "NotFound", "page not found") if "runnerpools" in path else None
    )
    with pytest.raises(NotServedError) as caught:
        await apply(seen.client, manifest(), "owner")
    assert "crds.enabled" in describe(caught.value)


async def test_a_missing_owner_is_not_taken_for_missing_crds() -> None:
    with pytest.raises(NotFoundError) as caught:
        await apply(FakeKubernetes().client, manifest(), "owner")
    assert "CRDs" not in describe(caught.value)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnavailableError(0, "Unreachable", "no route"), "no route"),
        (KubernetesError(403, "Forbidden", "not allowed"), "403 not allowed"),
    ],
)
def test_the_api_servers_message_is_shown(error: KubernetesError, text: str) -> None:
    assert describe(error) == text


def test_another_owner_makes_it_another_pool() -> None:
    owner = {"metadata": {"name": "owner", "uid": "a"}}
    wanted = wanted_pool(manifest(), owner)
    other = wanted_pool(manifest(), {"metadata": {"name": "owner", "uid": "b"}})
    assert is_up_to_date(wanted, wanted)
    assert not is_up_to_date(other, wanted)
    assert not is_up_to_date(None, wanted)
