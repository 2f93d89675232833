"""An unreadable object gets a condition, once, which is cleared when the object is corrected."""

import pytest

from tests.unit.operator.builders import NOW, ago
from tests.unit.operator.observing import Observer, raw_job, raw_pool
from wherry_core.kubernetes.errors import ForbiddenError
from wherry_core.kubernetes.paths import jobs_path, pools_path
from wherry_core.resources.base import format_time
from wherry_operator.intake.cache import Kind
from wherry_operator.intake.unreadable import condition_to_write, key_of, why_unreadable

JOB = jobs_path("tenant", "job")
BAD_JOB = raw_job(spec={"fileIDs": ["1"], "onMissing": "Ask"})
OTHER = {"type": "Waiting", "status": "True", "reason": "NoNode", "message": ""}


def conditions(seen: Observer, path: str = JOB) -> dict[str, dict[str, str]]:
    status = seen.server.objects[path].get("status", {})
    return {each["type"]: each for each in status.get("conditions", [])}


@pytest.mark.parametrize("kind", [Kind.JOB, Kind.POOL])
async def test_the_condition_and_an_event_name_the_place(kind: Kind) -> None:
    seen = Observer()
    path, key, raw, place = {
        Kind.JOB: (JOB, "tenant/job", BAD_JOB, "spec.onMissing"),
        Kind.POOL: (
            pools_path("wherry", "default"),
            "default",
            raw_pool(concurrency="many"),
            "spec.concurrency",
        ),
    }[kind]
    seen.server.put(path, {**raw, "status": {"conditions": [OTHER]}})
    await seen.unreadable.reconcile(key_of(kind, key))
    found = conditions(seen, path)
    assert found["Waiting"] == OTHER
    assert found["Readable"]["status"] == "False"
    assert place in found["Readable"]["message"]
    assert [reason for _, reason in seen.events.recorded] == ["Unreadable"]


async def test_nothing_is_written_twice() -> None:
    seen = Observer()
    seen.server.put(JOB, BAD_JOB)
    for _ in range(3):
        await seen.unreadable.reconcile("job:tenant/job")
    assert [method for method, _ in seen.server.requests].count("PATCH") == 1
    assert len(seen.events.recorded) == 1


async def test_a_corrected_object_is_readable() -> None:
    seen = Observer()
    seen.server.put(JOB, BAD_JOB)
    await seen.unreadable.reconcile("job:tenant/job")
    seen.server.put(JOB, {**seen.server.objects[JOB], "spec": {"fileIDs": ["1"]}})
    await seen.unreadable.reconcile("job:tenant/job")
    assert conditions(seen)["Readable"]["status"] == "True"
    assert len(seen.events.recorded) == 1


async def test_a_readable_object_has_no_such_condition() -> None:
    seen = Observer()
    seen.server.put(JOB, raw_job())
    await seen.unreadable.reconcile("job:tenant/job")
    assert conditions(seen) == {}


async def test_a_status_that_is_refused_leaves_the_event() -> None:
    seen = Observer()
    seen.server.put(JOB, BAD_JOB)
    seen.server.fail = lambda method, path: (
        ForbiddenError(403, "Forbidden", "no") if method == "PATCH" else None
    )
    await seen.unreadable.reconcile("job:tenant/job")
    assert len(seen.events.recorded) == 1


async def test_a_replica_that_does_not_act_writes_nothing() -> None:
    seen = Observer()
    seen.leadership.synced.clear()
    seen.server.put(JOB, BAD_JOB)
    await seen.unreadable.reconcile("job:tenant/job")
    assert seen.server.requests == []


async def test_an_object_that_is_gone_needs_no_condition() -> None:
    seen = Observer()
    assert await seen.unreadable.reconcile("job:tenant/job") is None


def test_the_transition_time_is_that_of_the_status() -> None:
    earlier = {"type": "Readable", "status": "False", "message": "other", "reason": "UnknownValue"}
    dated = {**earlier, "lastTransitionTime": format_time(ago(60))}
    problem = why_unreadable(Kind.JOB, BAD_JOB)
    written = condition_to_write({"status": {"conditions": [dated]}}, problem, NOW)
    assert written is not None
    assert written["lastTransitionTime"] == format_time(ago(60))
    new = condition_to_write({"status": "a word"}, problem, NOW)
    assert new is not None
    assert new["lastTransitionTime"] == format_time(NOW)
