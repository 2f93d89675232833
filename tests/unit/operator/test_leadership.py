"""One of several replicas acts: the one that holds the Lease, for as long as it renews it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.harness.waiting import eventually
from tests.unit.operator.fake_kubernetes import FakeKubernetes
from wherry_core.kubernetes.errors import UnavailableError
from wherry_operator.leadership import Leadership, Lease

PATH = "/apis/coordination.k8s.io/v1/namespaces/wherry/leases/wherry-operator"
LEASE_SECONDS = 1
"""Renewed every sixth of it; a holder stops acting after two thirds."""


def lease(server: FakeKubernetes, identity: str) -> Lease:
    return Lease(server.client, "wherry", identity, lease_seconds=LEASE_SECONDS)


@asynccontextmanager
async def running(*leases: Lease) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in leases]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_one_of_two_holds_the_lease() -> None:
    server = FakeKubernetes()
    first, second = lease(server, "first"), lease(server, "second")
    async with running(first, second):
        await eventually("one to hold it", lambda: first.holding or second.holding)
        for _ in range(20):
            assert not (first.holding and second.holding)
            await asyncio.sleep(0.05)
    assert server.objects[PATH]["spec"]["leaseTransitions"] == 0


async def test_a_released_lease_is_taken_at_once_and_names_when_it_was_renewed() -> None:
    server = FakeKubernetes()
    first, second = lease(server, "first"), lease(server, "second")
    async with running(first):
        await eventually("the first to hold it", lambda: first.holding)
    await first.release()
    assert not first.holding
    renewed = server.objects[PATH]["spec"]["renewTime"]
    async with running(second):
        await eventually("the second to hold it", lambda: second.holding, within=LEASE_SECONDS)
    assert second.acted_until is not None
    assert second.acted_until.isoformat().startswith(renewed[:19])


async def test_a_lease_of_a_dead_replica_is_taken_after_its_life() -> None:
    server = FakeKubernetes()
    dead, other = lease(server, "dead"), lease(server, "other")
    async with running(dead):
        await eventually("it to hold", lambda: dead.holding)
    async with running(other):
        await asyncio.sleep(LEASE_SECONDS / 2)
        assert not other.holding
        await eventually("the other to take it", lambda: other.holding, within=3 * LEASE_SECONDS)


async def test_a_holder_that_cannot_renew_stops_acting_before_others_may_start() -> None:
    server = FakeKubernetes()
    cut_off, other = lease(server, "cut off"), lease(server, "other")
    async with running(cut_off):
        await eventually("it to hold", lambda: cut_off.holding)
        server.fail = lambda method, path: UnavailableError(0, "Unreachable", "no route")
        await eventually("it to stop", lambda: not cut_off.holding)
        server.fail = lambda method, path: None
        async with running(other):
            assert not other.holding


async def test_a_replica_acts_once_its_cache_is_loaded() -> None:
    server = FakeKubernetes()
    held = lease(server, "only")
    leadership = Leadership(held)
    watch = asyncio.create_task(leadership.watch())
    async with running(held):
        await eventually("it to hold", lambda: held.holding)
        assert not leadership.may_act()
        leadership.synced.set()
        await eventually("it to act", leadership.leading.is_set)
    watch.cancel()


@pytest.mark.parametrize("flicker", [False, True], ids=["lost for long", "lost and acquired"])
async def test_work_starts_over_in_each_term(flicker: bool) -> None:
    class Held:
        holding, terms, acted_until = True, 1, None

    held = Held()
    leadership = Leadership(held)  # type: ignore[arg-type]
    leadership.synced.set()
    starts, ends = 0, 0

    async def work() -> None:
        nonlocal starts, ends
        starts += 1
        try:
            await asyncio.Event().wait()
        finally:
            ends += 1

    tasks = [
        asyncio.create_task(leadership.watch()),
        asyncio.create_task(leadership.run_when_leading(work)),
    ]
    await eventually("the work to start", lambda: starts == 1)
    if not flicker:
        held.holding = False
        await eventually("the work to end", lambda: ends == 1)
        assert starts == 1
    held.holding, held.terms = True, 2
    await eventually("the work to start over", lambda: (starts, ends) == (2, 1))
    for task in tasks:
        task.cancel()


async def test_what_ends_the_work_ends_the_replica() -> None:
    leadership = Leadership(None)
    leadership.leading.set()

    async def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await leadership.run_when_leading(fail)
