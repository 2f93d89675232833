"""What a real kube-apiserver accepts of a DownloadJob, and what it refuses with which message."""

from typing import Any

import pytest

from tests.harness.api import JOBS, Api, ApiError

pytestmark = pytest.mark.asyncio


def job(spec: dict[str, Any] | None = None, name: str = "job") -> dict[str, Any]:
    return {
        "apiVersion": "wherry.dev/v1",
        "kind": "DownloadJob",
        "metadata": {"name": name},
        "spec": {"fileIDs": ["1", "2"]} | (spec or {}),
    }


async def test_defaults_are_filled_in(api: Api, namespace: str) -> None:
    made = await api.create(JOBS, namespace, job())
    assert made["spec"] == {
        "fileIDs": ["1", "2"],
        "onMissing": "Fail",
        "pool": "default",
        "priority": 0,
        "backoffLimit": 2,
        "queueTimeoutSeconds": 3600,
        "suspend": False,
        "cancel": False,
    }


@pytest.mark.parametrize(
    "spec",
    [
        {"fileIDs": ["x" * 256]},
        {"fileIDs": [str(number) for number in range(10_000)]},
        {"archiveName": "photos 2026 (größer).zip"},
        {"onMissing": "Manifest", "priority": -100, "backoffLimit": 0, "suspend": True},
        {"priority": 100, "backoffLimit": 10, "activeDeadlineSeconds": 1},
        {"ttlSecondsAfterFinished": 0, "queueTimeoutSeconds": 604_800},
    ],
    ids=lambda spec: ",".join(spec),
)
async def test_accepted(api: Api, namespace: str, spec: dict[str, Any]) -> None:
    made = await api.create(JOBS, namespace, job(spec))
    assert {name: made["spec"][name] for name in spec} == spec


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"fileIDs": []}, "spec.fileIDs in body should have at least 1 items"),
        ({"fileIDs": [""]}, "spec.fileIDs[0] in body should be at least 1 chars long"),
        ({"fileIDs": ["ok", "x" * 257]}, "Too long: may not be more than 256"),
        ({"fileIDs": ["1"] * 10_001}, "Too many: 10001: must have at most 10000 items"),
        ({"fileIDs": [7]}, 'spec.fileIDs[0] in body must be of type string: "integer"'),
        ({"fileIDs": None}, "spec.fileIDs: Required value"),
        ({"archiveName": ""}, "spec.archiveName in body should be at least 1 chars long"),
        ({"archiveName": "../x.zip"}, "spec.archiveName in body should match"),
        ({"archiveName": "a\\b.zip"}, "spec.archiveName in body should match"),
        ({"archiveName": "a\nb.zip"}, "spec.archiveName in body should match"),
        ({"archiveName": "x" * 201}, "Too long: may not be more than 200"),
        ({"onMissing": "Ignore"}, 'supported values: "Fail", "Manifest"'),
        ({"pool": "Not A Name"}, "spec.pool in body should match"),
        ({"priority": 101}, "should be less than or equal to 100"),
        ({"priority": -101}, "should be greater than or equal to -100"),
        ({"priority": 0.5}, "must be of type integer"),
        ({"backoffLimit": 11}, "should be less than or equal to 10"),
        ({"activeDeadlineSeconds": 0}, "should be greater than or equal to 1"),
        ({"queueTimeoutSeconds": 0}, "should be greater than or equal to 1"),
        ({"ttlSecondsAfterFinished": -1}, "should be greater than or equal to 0"),
        ({"suspend": "yes"}, "must be of type boolean"),
    ],
)
async def test_refused(api: Api, namespace: str, spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as refused:
        await api.create(JOBS, namespace, job(spec))
    assert refused.value.status == 422
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fileIDs", ["3"]),
        ("archiveName", "other.zip"),
        ("onMissing", "Manifest"),
        ("pool", "other"),
        ("backoffLimit", 1),
        ("activeDeadlineSeconds", 60),
        ("queueTimeoutSeconds", 60),
    ],
)
@pytest.mark.parametrize("given", [True, False], ids=["given", "left-out"])
async def test_the_request_is_immutable(
    api: Api, namespace: str, field: str, value: Any, given: bool
) -> None:
    first = {"archiveName": "first.zip", "activeDeadlineSeconds": 30} if given else {}
    await api.create(JOBS, namespace, job(first))
    with pytest.raises(ApiError) as refused:
        await api.patch(JOBS, namespace, "job", {"spec": {field: value}})
    assert refused.value.status == 422
    assert f"{field} is immutable: create a new DownloadJob instead" in str(refused.value)


@pytest.mark.parametrize("field", ["archiveName", "activeDeadlineSeconds"])
async def test_an_optional_field_cannot_be_removed(api: Api, namespace: str, field: str) -> None:
    await api.create(
        JOBS, namespace, job({"archiveName": "first.zip", "activeDeadlineSeconds": 30})
    )
    with pytest.raises(ApiError, match=f"{field} is immutable"):
        await api.patch(JOBS, namespace, "job", {"spec": {field: None}})


@pytest.mark.parametrize(
    "change",
    [
        {"priority": 5},
        {"suspend": True},
        {"cancel": True},
        {"ttlSecondsAfterFinished": 60},
    ],
    ids=lambda change: ",".join(change),
)
async def test_control_fields_can_change(api: Api, namespace: str, change: dict[str, Any]) -> None:
    await api.create(JOBS, namespace, job())
    changed = await api.patch(JOBS, namespace, "job", {"spec": change})
    assert {name: changed["spec"][name] for name in change} == change


async def test_cancel_cannot_be_undone(api: Api, namespace: str) -> None:
    await api.create(JOBS, namespace, job({"cancel": True}))
    with pytest.raises(ApiError, match="cancel cannot be undone"):
        await api.patch(JOBS, namespace, "job", {"spec": {"cancel": False}})


async def set_status(api: Api, namespace: str, status: Any) -> dict[str, Any]:
    return await api.patch(JOBS, namespace, "job", {"status": status}, sub="status")


@pytest.mark.parametrize("phase", ["Completed", "Failed", "Cancelled"])
async def test_a_terminal_phase_never_changes(api: Api, namespace: str, phase: str) -> None:
    await api.create(JOBS, namespace, job())
    await set_status(api, namespace, {"phase": phase})
    for other in ("Queued", "Processing", None):
        with pytest.raises(ApiError, match="phase cannot change once the job has ended"):
            await set_status(api, namespace, {"phase": other})
    with pytest.raises(ApiError, match="status cannot be removed"):
        await set_status(api, namespace, None)
    assert (await api.get(JOBS, namespace, "job"))["status"]["phase"] == phase


async def test_attempts_only_grow(api: Api, namespace: str) -> None:
    await api.create(JOBS, namespace, job())
    await set_status(api, namespace, {"phase": "Queued", "attempt": 2})
    for attempt in (1, None):
        with pytest.raises(ApiError, match="attempt cannot decrease"):
            await set_status(api, namespace, {"attempt": attempt})


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"phase": "Running"}, "Unsupported value"),
        ({"progress": 101}, "should be less than or equal to 100"),
        ({"failures": [{"attempt": 1, "reason": "R", "time": "x"}]}, "must be of type date-time"),
        (
            {"failures": [{"attempt": 1, "reason": "R", "time": "2026-01-01T00:00:00Z"}] * 21},
            "must have at most 20 items",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "Failed",
                        "status": "True",
                        "reason": "R",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ]
                * 2
            },
            "Duplicate value",
        ),
    ],
)
async def test_a_wrong_status_is_refused(
    api: Api, namespace: str, status: dict[str, Any], said: str
) -> None:
    await api.create(JOBS, namespace, job())
    with pytest.raises(ApiError) as refused:
        await set_status(api, namespace, status)
    assert refused.value.status == 422
    assert said in str(refused.value)


async def test_the_status_is_only_written_through_its_subresource(api: Api, namespace: str) -> None:
    made = await api.create(JOBS, namespace, job() | {"status": {"phase": "Completed"}})
    assert "phase" not in made.get("status", {})
    changed = await api.patch(JOBS, namespace, "job", {"status": {"phase": "Completed"}})
    assert "phase" not in changed.get("status", {})


async def test_field_selectors(api: Api, namespace: str) -> None:
    for name, pool in (("a", "default"), ("b", "large")):
        await api.create(JOBS, namespace, job({"pool": pool}, name))
    await api.patch(
        JOBS, namespace, "a", {"status": {"phase": "Processing", "runner": "r"}}, sub="status"
    )
    where = f"/apis/wherry.dev/v1/namespaces/{namespace}/downloadjobs"
    for selector, wanted in (
        ("spec.pool=large", ["b"]),
        ("status.phase=Processing", ["a"]),
        ("status.runner=r", ["a"]),
        ("status.phase!=Processing", ["b"]),
    ):
        answer = await api.request("GET", where, query=[("fieldSelector", selector)])
        assert [item["metadata"]["name"] for item in answer["items"]] == wanted, selector
