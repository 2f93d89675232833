"""Redis loses its data, or is unavailable, in the middle of 200 jobs: it is only an index."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from localcluster.stores import Store
from tests.chaos.load import Wish, all_ended, post
from tests.chaos.stream_clients import StreamClient
from tests.chaos.world import FILES, Times, World, running_world
from tests.harness.cluster import Cluster
from tests.harness.history import JobHistory
from tests.harness.model import COMPLETED, broken_promises
from tests.harness.recording import gather_facts
from tests.harness.redis_cluster import ServerCluster, redis_cluster
from tests.harness.redis_pair import RedisPair
from tests.harness.redis_sentinels import Sentinels, redis_with_sentinels
from tests.harness.tcp_proxy import Link
from tests.harness.waiting import eventually
from wherry_core.redis.keys import Keyspace
from wherry_core.resources import Phase

FOLLOWED = 10
POSTS_AT_ONCE = 8
LONGEST_STANDSTILL = 10.0
"""Seconds after Redis is available again until the next waiting job is claimed."""
SHORT_ABSENCE, REAL_ABSENCE = 8.0, 60.0
SHORT_COUNT, REAL_COUNT = 40, 200
STALE_SECONDS = 3.0

Break = Callable[[World], Awaitable[None]]


@pytest.fixture
def count(real_lengths: bool) -> int:
    """How many jobs there are."""
    return REAL_COUNT if real_lengths else SHORT_COUNT


@pytest.fixture
def absence(real_lengths: bool) -> float:
    """Seconds for which Redis is unavailable."""
    return REAL_ABSENCE if real_lengths else SHORT_ABSENCE


async def post_jobs(world: World, count: int) -> list[str]:
    """Ask for ``count`` jobs, some at a time; return their ids."""
    numbers = iter(range(count))
    made: list[str] = []

    async def work() -> None:
        for number in numbers:
            wish = Wish(0, f"redis-{number}", tuple(FILES)[:2])
            made.append(await post(world.client, wish))

    await asyncio.gather(*(work() for _ in range(POSTS_AT_ONCE)))
    return made


def claims(history: JobHistory) -> int:
    """Return how many claims there were."""
    return len(
        {
            (change.job.key, change.job.status.attempt)
            for change in history.changes
            if change.job.status.phase is Phase.PROCESSING
        }
    )


async def middle_of_the_jobs(world: World, count: int) -> None:
    """Wait until some jobs have ended and most have not."""
    await eventually(
        "some jobs to be taken", lambda: claims(world.history), lambda seen: seen >= count // 5
    )


async def status_of(world: World, job: str) -> tuple[str, int]:
    """Return status and progress as the API answers them."""
    answer = await world.client.get(f"/v1/download/status/{job}")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    return document["status"], document["progress"]


async def statuses(world: World, made: list[str]) -> list[tuple[str, int]]:
    """Return status and progress of every job."""
    return [await status_of(world, job) for job in made]


async def run_and_judge(world: World, count: int, strike: Break) -> None:
    """Post jobs, follow some, break Redis in the middle, and check everything afterwards."""
    made = await post_jobs(world, count)
    clients = [StreamClient(job) for job in made[:: max(1, count // FOLLOWED)]]
    following = asyncio.gather(*(each.follow(world.client) for each in clients))
    await middle_of_the_jobs(world, count)
    await strike(world)
    back, before = time.monotonic(), claims(world.history)
    if before < count:
        await eventually(
            "waiting jobs to be taken again",
            lambda: claims(world.history),
            lambda seen: seen > before,
            within=LONGEST_STANDSTILL,
        )
        print(f"the next job was taken {time.monotonic() - back:.1f} s after Redis was back")
    assert dict(await all_ended(world, count)) == {Phase.COMPLETED: count}
    await asyncio.wait_for(following, 30)
    for each in clients:
        assert each.ends == ["completed"]
        assert all(old <= new for old, new in itertools.pairwise(each.seen)), each
    await eventually(
        "every status to be terminal",
        lambda: statuses(world, made),
        lambda found: set(found) == {("completed", 100)},
        within=LONGEST_STANDSTILL,
    )
    asked = {f"{world.namespace}/{job}": COMPLETED for job in made}
    facts = await gather_facts(world.api, world.namespace, world.bucket, world.history, asked)
    assert broken_promises(facts) == []


@pytest.fixture
def slower(times: Times) -> Times:
    """Jobs that are still at work when Redis breaks."""
    return Times(times.heartbeat_timeout, times.lease, times.sweep, delay_ms=(500, 1_500))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", ["flush", "empty disk", "stale replica", "unavailable", "silent"])
async def test_all_jobs_complete_once_whatever_redis_loses(
    fault: str,
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    slower: Times,
    count: int,
    absence: float,
    real_lengths: bool,
) -> None:
    if not real_lengths:
        pytest.skip("the random schedule has it; alone it runs with --jobs 200 or more")
    strikes: dict[str, Break] = {
        "flush": lambda world: world.redis.flush(),
        "empty disk": lambda world: world.redis.restart_empty(),
        "stale replica": lambda world: world.redis.fail_over(STALE_SECONDS),
        "unavailable": lambda world: world.redis.be_unavailable(absence, Link.REFUSED),
        "silent": lambda world: world.redis.be_unavailable(absence, Link.SILENT),
    }
    async with running_world(cluster, own_redis, own_store, tmp_path, slower, replicas=1) as world:
        await run_and_judge(world, count, strikes[fault])


def to_a_stale_replica(servers: Sentinels | ServerCluster) -> Break:
    async def fail_over(world: World) -> None:
        del world
        await servers.make_stale()
        await asyncio.sleep(STALE_SECONDS)
        await servers.fail_over()

    return fail_over


@asynccontextmanager
async def with_sentinels(folder: Path) -> AsyncIterator[tuple[str, Break]]:
    async with redis_with_sentinels(folder) as sentinels:
        yield sentinels.url, to_a_stale_replica(sentinels)


@asynccontextmanager
async def with_a_cluster(folder: Path) -> AsyncIterator[tuple[str, Break]]:
    async with redis_cluster(folder, Keyspace().queue("default")) as servers:
        yield servers.url, to_a_stale_replica(servers)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("servers", [with_sentinels, with_a_cluster])
async def test_all_jobs_complete_once_when_a_stale_replica_is_promoted(
    servers: Callable[[Path], AbstractAsyncContextManager[tuple[str, Break]]],
    cluster: Cluster,
    own_redis: RedisPair,
    own_store: Store,
    tmp_path: Path,
    slower: Times,
    count: int,
) -> None:
    """The URLs redis+sentinel and redis+cluster, each with real servers that decide themselves."""
    async with (
        servers(tmp_path / "servers") as (url, fail_over),
        running_world(
            cluster,
            own_redis,
            own_store,
            tmp_path,
            slower,
            replicas=1,
            redis_environment={"WHERRY_REDIS_URL": url},
            runner_proxies=False,
        ) as world,
    ):
        await run_and_judge(world, count, fail_over)
