"""A watch reports the end of a job, whatever happens to the server and the network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from tests.harness.processes import ComponentProcess
from tests.harness.waiting import eventually
from tests.integration.client.conftest import (
    MakeProxy,
    SimulatedJob,
    SimulateJob,
    StartApi,
    port_of,
    url_of,
)
from tests.integration.client.fault_proxy import FaultProxy
from wherry_client import (
    InvalidRequestError,
    JobState,
    JobStatus,
    UnexpectedAnswerError,
    UnreachableError,
    WatchOptions,
    WherryClient,
)

QUICK = WatchOptions(poll_after=0.5, first_event=4.0)
STREAMS = "/v1/download/stream/"
POLLS = "/v1/download/status/"


class WatchTask:
    """A watch in a task of its own, and the statuses that it yielded."""

    def __init__(self, client: WherryClient, job_id: str, options: WatchOptions) -> None:
        self.seen: list[JobStatus] = []
        self.task = asyncio.create_task(self._watch(client, job_id, options))

    async def _watch(self, client: WherryClient, job_id: str, options: WatchOptions) -> JobStatus:
        async with aclosing(client.watch(job_id, options)) as statuses:
            async for status in statuses:
                self.seen.append(status)
        return self.seen[-1]

    async def reports(self, progress: int) -> None:
        await eventually(
            f"{progress} per cent",
            lambda: self.task.done() or [s for s in self.seen if s.progress == progress],
        )
        if self.task.done():
            raise AssertionError(f"the watch ended: {self.task!r}")


@pytest.fixture
async def server(start_api: StartApi) -> ComponentProcess:
    return start_api()


@pytest.fixture
async def client(server: ComponentProcess) -> AsyncIterator[WherryClient]:
    async with WherryClient(url_of(server)) as connected:
        yield connected


async def test_states_and_progress(client: WherryClient, simulate_job: SimulateJob) -> None:
    simulated = await simulate_job(client)
    watching = WatchTask(client, simulated.job.metadata.name, WatchOptions())
    await eventually("the queue position", lambda: watching.seen)
    assert watching.seen[0].queue_position == 1
    await simulated.progress(0, 0)
    await eventually("the start", lambda: watching.seen[-1].state is JobState.PROCESSING)
    await simulated.progress(40, 1)
    await watching.reports(40)
    await simulated.progress(0, 0)
    await watching.reports(0)
    await simulated.complete()
    last = await watching.task
    assert (last.state, last.progress, last.size) == (JobState.COMPLETED, 100, 2)
    assert last.completed_at is not None


async def test_a_failure_has_the_server_s_message(
    client: WherryClient, simulate_job: SimulateJob
) -> None:
    simulated = await simulate_job(client)
    watching = WatchTask(client, simulated.job.metadata.name, WatchOptions())
    await eventually("the first status", lambda: watching.seen)
    await simulated.fail("There is no file c.")
    last = await watching.task
    assert (last.state, last.error) == (JobState.FAILED, "There is no file c.")


@pytest.mark.parametrize("gently", [True, False], ids=["drained", "killed"])
async def test_the_server_restarts(
    server: ComponentProcess, client: WherryClient, simulate_job: SimulateJob, gently: bool
) -> None:
    simulated = await simulate_job(client)
    watching = WatchTask(client, simulated.job.metadata.name, QUICK)
    await simulated.progress(10, 0)
    await watching.reports(10)
    if gently:
        server.terminate()
        await server.wait_ended()
    else:
        server.kill()
    await simulated.progress(50, 1)
    server.start()
    await watching.reports(50)
    await simulated.complete()
    assert (await watching.task).state is JobState.COMPLETED


async def test_the_job_ends_while_the_server_is_unavailable(
    server: ComponentProcess, client: WherryClient, simulate_job: SimulateJob
) -> None:
    simulated = await simulate_job(client)
    watching = WatchTask(client, simulated.job.metadata.name, QUICK)
    await simulated.progress(10, 0)
    await watching.reports(10)
    server.kill()
    await simulated.complete()
    server.start()
    assert (await watching.task).state is JobState.COMPLETED


async def test_a_cut_stream_reconnects_with_the_last_event_id(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        simulated = await simulate_job(client)
        watching = WatchTask(client, simulated.job.metadata.name, WatchOptions())
        await simulated.progress(10, 0)
        await watching.reports(10)
        proxy.cut_after = [1]
        await simulated.progress(20, 1)
        await eventually("a second stream", lambda: proxy.count(STREAMS) == 2)
        await watching.reports(20)
        assert "last-event-id: 1-1-" in proxy.heads[-1].lower()
        await simulated.complete()
        assert (await watching.task).state is JobState.COMPLETED


@asynccontextmanager
async def watch_behind_a_buffering_proxy(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> AsyncIterator[tuple[FaultProxy, SimulatedJob, WatchTask]]:
    """Watch a job at 10 per cent through a proxy that buffers event streams."""
    proxy = await make_proxy(port_of(server))
    proxy.buffers = STREAMS
    async with WherryClient(proxy.url) as client:
        simulated = await simulate_job(client)
        watching = WatchTask(client, simulated.job.metadata.name, QUICK)
        await simulated.progress(10, 0)
        await watching.reports(10)
        yield proxy, simulated, watching


async def test_polling_replaces_a_buffered_stream(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> None:
    async with watch_behind_a_buffering_proxy(server, simulate_job, make_proxy) as parts:
        proxy, simulated, watching = parts
        await simulated.progress(20, 0)
        await watching.reports(20)
        assert proxy.count(POLLS) >= 2

        # The proxy stops buffering: the watch returns to the stream and stops polling.
        proxy.buffers = None
        tried = proxy.count(STREAMS)
        await eventually("another stream", lambda: proxy.count(STREAMS) > tried)
        await simulated.progress(30, 1)
        await watching.reports(30)
        polls = proxy.count(POLLS)
        await asyncio.sleep(3)
        assert proxy.count(POLLS) == polls
        await simulated.complete()
        assert (await watching.task).state is JobState.COMPLETED


async def test_the_end_is_reported_through_a_buffering_proxy(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> None:
    async with watch_behind_a_buffering_proxy(server, simulate_job, make_proxy) as parts:
        _, simulated, watching = parts
        await simulated.complete()
        assert (await watching.task).state is JobState.COMPLETED


async def test_more_watches_than_allowed_streams(
    start_api: StartApi, simulate_job: SimulateJob
) -> None:
    server = start_api(WHERRY_MAX_STREAMS_PER_TENANT="1")
    async with WherryClient(url_of(server)) as client:
        simulated = await simulate_job(client)
        watches = [WatchTask(client, simulated.job.metadata.name, QUICK) for _ in range(3)]
        for watching in watches:
            await watching.reports(0)
        await simulated.progress(30, 1)
        for watching in watches:
            await watching.reports(30)
        await simulated.complete()
        for watching in watches:
            assert (await watching.task).state is JobState.COMPLETED


async def test_a_silent_stream_is_closed_and_reopened(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        simulated = await simulate_job(client)
        options = WatchOptions(poll_after=60, silence=1.0)
        watching = WatchTask(client, simulated.job.metadata.name, options)
        await eventually("streams one after another", lambda: proxy.count(STREAMS) >= 3)
        await simulated.complete()
        assert (await watching.task).state is JobState.COMPLETED


async def test_a_server_that_was_never_reached_ends_the_watch_soon() -> None:
    async with WherryClient("http://127.0.0.1:9") as client:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 cannot be reached"):
            await WatchTask(client, "a", WatchOptions()).task


async def test_a_server_that_stays_unavailable_ends_the_watch(
    server: ComponentProcess, client: WherryClient, simulate_job: SimulateJob
) -> None:
    simulated = await simulate_job(client)
    options = WatchOptions(poll_after=0.2, patience=2.0)
    watching = WatchTask(client, simulated.job.metadata.name, options)
    await simulated.progress(10, 0)
    await watching.reports(10)
    server.kill()
    with pytest.raises(UnreachableError):
        await watching.task


async def test_a_web_server_that_is_not_wherry(server: ComponentProcess) -> None:
    async with WherryClient(f"{url_of(server)}/docs") as client:
        with pytest.raises((UnexpectedAnswerError, InvalidRequestError)):
            await WatchTask(client, "a", QUICK).task


async def test_leaving_early_closes_the_connections(
    server: ComponentProcess, simulate_job: SimulateJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        simulated = await simulate_job(client)
        before = asyncio.all_tasks()
        async with aclosing(client.watch(simulated.job.metadata.name)) as statuses:
            await anext(statuses)
        mine = {task for task in asyncio.all_tasks() - before if "Watch" in repr(task)}
        assert mine == set()
