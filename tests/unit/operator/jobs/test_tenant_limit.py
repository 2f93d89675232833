"""How many jobs of one tenant are active, and which one follows."""

from tests.unit.operator.builders import ended, processing, queued
from wherry_core.resources import DownloadJob, Phase
from wherry_operator.intake.job_view import JobView
from wherry_operator.jobs.tenant_limit import TenantLimit
from wherry_operator.reconciler import WorkQueue


def named(name: str, seen: DownloadJob, tenant: str = "tenant") -> JobView:
    metadata = seen.metadata.model_copy(update={"name": name, "namespace": tenant})
    return JobView(job=seen.model_copy(update={"metadata": metadata}), files=1)


async def released(queue: WorkQueue) -> list[str]:
    """Return the jobs that were requeued since the last call."""
    keys = []
    while queue.waiting:
        key = await queue.take()
        queue.done(key)
        keys.append(key)
    return keys


async def test_a_tenant_has_a_limited_number_of_active_jobs_and_the_next_follow_in_order() -> None:
    queue = WorkQueue("job")
    limit = TenantLimit(1, queue)
    first, second = named("1", queued()), named("2", queued())
    urgent = named("3", queued(spec={"priority": 5}))
    for each in (first, second, urgent):
        limit.update(each, wants_work=True)
    assert [limit.holds(each) for each in (first, second, urgent)] == [False, True, True]
    assert limit.held_of({"tenant/1", "tenant/2"}) == {"tenant/2"}
    limit.update(named("1", processing()), wants_work=True)
    assert await released(queue) == []
    limit.update(named("1", ended(Phase.COMPLETED)), wants_work=False)
    assert await released(queue) == ["tenant/3"]
    limit.update(named("3", ended(Phase.COMPLETED)), wants_work=False)
    assert await released(queue) == ["tenant/2"]


async def test_a_changed_priority_of_a_held_job_takes_effect() -> None:
    queue = WorkQueue("job")
    limit = TenantLimit(1, queue)
    for name in ("1", "2", "3", "4"):
        limit.update(named(name, queued()), wants_work=True)
    limit.update(named("4", queued(spec={"priority": 50})), wants_work=True)
    limit.update(named("2", queued(spec={"priority": -50})), wants_work=True)
    order = []
    for name in ("1", "4", "3", "2"):
        limit.update(named(name, ended(Phase.COMPLETED)), wants_work=False)
        order += await released(queue)
    assert order == ["tenant/4", "tenant/3", "tenant/2"]


def test_the_limit_of_one_tenant_does_not_hold_another() -> None:
    limit = TenantLimit(1, WorkQueue("job"))
    limit.update(named("1", queued()), wants_work=True)
    other = named("1", queued(), tenant="other")
    limit.update(other, wants_work=True)
    assert not limit.holds(other)


async def test_a_held_job_that_is_cancelled_is_never_released() -> None:
    queue = WorkQueue("job")
    limit = TenantLimit(1, queue)
    first, second = named("1", queued()), named("2", queued())
    limit.update(first, wants_work=True)
    limit.update(second, wants_work=True)
    limit.update(second, wants_work=False)
    limit.update(first, wants_work=False)
    assert await released(queue) == []


def test_without_a_limit_no_job_is_held() -> None:
    limit = TenantLimit(0, WorkQueue("job"))
    for number in range(9):
        seen = named(str(number), queued())
        limit.update(seen, wants_work=True)
        assert not limit.holds(seen)


def test_a_claimed_job_is_active_whatever_the_limit() -> None:
    limit = TenantLimit(1, WorkQueue("job"))
    limit.update(named("1", processing()), wants_work=True)
    limit.update(named("2", processing()), wants_work=True)
    third = named("3", queued())
    limit.update(third, wants_work=True)
    assert limit.holds(third)


def test_a_held_job_that_turns_out_to_be_claimed_is_no_longer_held() -> None:
    """As after a restart, when a job is ingested before the one whose claim takes the limit."""
    limit = TenantLimit(1, WorkQueue("job"))
    limit.update(named("1", queued()), wants_work=True)
    limit.update(named("2", queued()), wants_work=True)
    claimed = named("2", processing())
    limit.update(claimed, wants_work=True)
    assert not limit.holds(claimed)
