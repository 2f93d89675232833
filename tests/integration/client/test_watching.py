"""A watch tells every job's end, whatever happens to server and network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from tests.harness.processes import ComponentProcess
from tests.harness.waiting import eventually
from tests.integration.client.conftest import MakeProxy, PlayJob, StartApi, port_of, url_of
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


class Following:
    """A watch in a task of its own, and all that it told."""

    def __init__(self, client: WherryClient, job_id: str, options: WatchOptions) -> None:
        self.seen: list[JobStatus] = []
        self.task = asyncio.create_task(self._follow(client, job_id, options))

    async def _follow(self, client: WherryClient, job_id: str, options: WatchOptions) -> JobStatus:
        async with aclosing(client.watch(job_id, options)) as statuses:
            async for status in statuses:
                self.seen.append(status)
        return self.seen[-1]

    async def sees(self, progress: int) -> None:
        await eventually(
            f"{progress} per cent to be told",
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


async def test_states_and_progress(client: WherryClient, play_job: PlayJob) -> None:
    played = await play_job(client)
    following = Following(client, played.job.metadata.name, WatchOptions())
    await eventually("the place in the queue", lambda: following.seen)
    assert following.seen[0].queue_position == 1
    await played.progress(0, 0)
    await eventually("the start", lambda: following.seen[-1].state is JobState.PROCESSING)
    await played.progress(40, 1)
    await following.sees(40)
    await played.progress(0, 0)
    await following.sees(0)
    await played.complete()
    last = await following.task
    assert (last.state, last.progress, last.size) == (JobState.COMPLETED, 100, 2)
    assert last.completed_at is not None


async def test_failure_is_told_in_the_server_s_words(
    client: WherryClient, play_job: PlayJob
) -> None:
    played = await play_job(client)
    following = Following(client, played.job.metadata.name, WatchOptions())
    await eventually("the first status", lambda: following.seen)
    await played.fail("There is no file c.")
    last = await following.task
    assert (last.state, last.error) == (JobState.FAILED, "There is no file c.")


@pytest.mark.parametrize("gently", [True, False], ids=["drained", "killed"])
async def test_the_server_goes_and_comes_back(
    server: ComponentProcess, client: WherryClient, play_job: PlayJob, gently: bool
) -> None:
    played = await play_job(client)
    following = Following(client, played.job.metadata.name, QUICK)
    await played.progress(10, 0)
    await following.sees(10)
    if gently:
        server.terminate()
        await server.wait_ended()
    else:
        server.kill()
    await played.progress(50, 1)
    server.start()
    await following.sees(50)
    await played.complete()
    assert (await following.task).state is JobState.COMPLETED


async def test_the_end_comes_while_the_server_is_away(
    server: ComponentProcess, client: WherryClient, play_job: PlayJob
) -> None:
    played = await play_job(client)
    following = Following(client, played.job.metadata.name, QUICK)
    await played.progress(10, 0)
    await following.sees(10)
    server.kill()
    await played.complete()
    server.start()
    assert (await following.task).state is JobState.COMPLETED


async def test_a_cut_stream_is_taken_up_again_with_the_last_id(
    server: ComponentProcess, play_job: PlayJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        played = await play_job(client)
        following = Following(client, played.job.metadata.name, WatchOptions())
        await played.progress(10, 0)
        await following.sees(10)
        proxy.cut_after = [1]
        await played.progress(20, 1)
        await eventually("a second stream", lambda: proxy.count(STREAMS) == 2)
        await following.sees(20)
        assert "last-event-id: 1-1-" in proxy.heads[-1].lower()
        await played.complete()
        assert (await following.task).state is JobState.COMPLETED


async def test_a_proxy_that_buffers_is_got_round_by_polling(
    server: ComponentProcess, play_job: PlayJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    proxy.buffers = STREAMS
    async with WherryClient(proxy.url) as client:
        played = await play_job(client)
        following = Following(client, played.job.metadata.name, QUICK)
        await played.progress(10, 0)
        await following.sees(10)
        await played.progress(20, 0)
        await following.sees(20)
        assert proxy.count(POLLS) >= 2

        # The proxy learns better: the watch comes back to the stream and polls no more.
        proxy.buffers = None
        tried = proxy.count(STREAMS)
        await eventually("another stream", lambda: proxy.count(STREAMS) > tried)
        await played.progress(30, 1)
        await following.sees(30)
        polls = proxy.count(POLLS)
        await asyncio.sleep(3)
        assert proxy.count(POLLS) == polls
        await played.complete()
        assert (await following.task).state is JobState.COMPLETED


async def test_the_end_is_told_through_a_proxy_that_buffers(
    server: ComponentProcess, play_job: PlayJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    proxy.buffers = STREAMS
    async with WherryClient(proxy.url) as client:
        played = await play_job(client)
        following = Following(client, played.job.metadata.name, QUICK)
        await played.progress(10, 0)
        await following.sees(10)
        await played.complete()
        assert (await following.task).state is JobState.COMPLETED


async def test_more_watches_than_streams(start_api: StartApi, play_job: PlayJob) -> None:
    server = start_api(WHERRY_MAX_STREAMS_PER_TENANT="1")
    async with WherryClient(url_of(server)) as client:
        played = await play_job(client)
        watches = [Following(client, played.job.metadata.name, QUICK) for _ in range(3)]
        for following in watches:
            await following.sees(0)
        await played.progress(30, 1)
        for following in watches:
            await following.sees(30)
        await played.complete()
        for following in watches:
            assert (await following.task).state is JobState.COMPLETED


async def test_a_stream_that_falls_silent_is_given_up(
    server: ComponentProcess, play_job: PlayJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        played = await play_job(client)
        options = WatchOptions(poll_after=60, silence=1.0)
        following = Following(client, played.job.metadata.name, options)
        await eventually("streams one after another", lambda: proxy.count(STREAMS) >= 3)
        await played.complete()
        assert (await following.task).state is JobState.COMPLETED


async def test_a_server_that_is_not_there_is_told_soon() -> None:
    async with WherryClient("http://127.0.0.1:9") as client:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 cannot be reached"):
            await Following(client, "a", WatchOptions()).task


async def test_a_server_that_stays_away_ends_the_watch(
    server: ComponentProcess, client: WherryClient, play_job: PlayJob
) -> None:
    played = await play_job(client)
    options = WatchOptions(poll_after=0.2, patience=2.0)
    following = Following(client, played.job.metadata.name, options)
    await played.progress(10, 0)
    await following.sees(10)
    server.kill()
    with pytest.raises(UnreachableError):
        await following.task


async def test_a_web_server_that_is_not_wherry(server: ComponentProcess) -> None:
    async with WherryClient(f"{url_of(server)}/docs") as client:
        with pytest.raises((UnexpectedAnswerError, InvalidRequestError)):
            await Following(client, "a", QUICK).task


async def test_leaving_early_closes_the_connections(
    server: ComponentProcess, play_job: PlayJob, make_proxy: MakeProxy
) -> None:
    proxy = await make_proxy(port_of(server))
    async with WherryClient(proxy.url) as client:
        played = await play_job(client)
        before = asyncio.all_tasks()
        async with aclosing(client.watch(played.job.metadata.name)) as statuses:
            await anext(statuses)
        mine = {task for task in asyncio.all_tasks() - before if "Watch" in repr(task)}
        assert mine == set()
