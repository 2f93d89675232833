"""Options and fixtures of the chaos tests.

``pytest tests/chaos`` is the short form; from ``--jobs 200`` on everything has its real length.
"""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from localcluster.stores import Store, start_store
from tests.chaos.schedule import LONG, SHORT, Lengths
from tests.chaos.world import Times
from tests.harness.cluster import Cluster, running_cluster
from tests.harness.redis_pair import RedisPair, redis_pair

SHORT_JOBS = 60
LONG_FROM = 200
SHORT_TIMES = Times(heartbeat_timeout=10, lease=9, sweep=5)
"""A runner needs longer than a second to start on a busy machine, and is silent until then."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--jobs", type=int, default=SHORT_JOBS, help="jobs of the random schedule")
    group.addoption("--seed", type=int, help="seed of the random schedule; left out, a new one")


@pytest.fixture
def job_count(request: pytest.FixtureRequest) -> int:
    """Jobs of the random schedule."""
    return int(request.config.getoption("--jobs", SHORT_JOBS))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of the random schedule."""
    given = request.config.getoption("--seed", None)
    return random.SystemRandom().randrange(1_000_000) if given is None else int(given)


@pytest.fixture
def real_lengths(job_count: int) -> bool:
    """Whether everything has its real length."""
    return job_count >= LONG_FROM


@pytest.fixture
def times(real_lengths: bool) -> Times:
    """The operator's times: its own defaults, or shorter ones."""
    return Times() if real_lengths else SHORT_TIMES


@pytest.fixture
def lengths(real_lengths: bool) -> Lengths:
    """How long faults last."""
    return LONG if real_lengths else SHORT


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane of its own with an audit log: it is killed and restarted."""
    with running_cluster(tmp_path_factory.mktemp("cluster"), audit=True) as running:
        yield running


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisPair]:
    """A Redis with a replica, to break."""
    async with redis_pair(tmp_path) as pair:
        yield pair


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    """A store to break."""
    store = start_store("versitygw", tmp_path / "store")
    yield store
    store.stop()
