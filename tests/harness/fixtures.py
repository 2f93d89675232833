"""The pytest fixtures: servers once a session, everything else fresh for each test."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from localcluster.redisserver import Redis as RedisServer
from localcluster.redisserver import start_redis
from localcluster.stores import Store, start_store
from tests.harness import tenants
from tests.harness.api import Api
from tests.harness.buckets import Bucket, fresh_bucket
from tests.harness.cluster import Cluster, cluster_for_tests
from tests.harness.history import JobHistory, recorded_history
from tests.harness.processes import ProcessGroup
from wherry_core.redis import client as redis_client
from wherry_core.redis.client import Redis
from wherry_core.settings import RedisSettings

REDIS_DATABASES = 16
_database_numbers = itertools.count()

NamespaceFactory = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real API server with the CRDs; with USE_EXISTING_CLUSTER=true that of the kubeconfig."""
    with cluster_for_tests(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    """The Kubernetes API, as an administrator."""
    async with await Api.connect(cluster.kubeconfig) as connected:
        yield connected


@pytest.fixture
async def make_namespace(cluster: Cluster, api: Api) -> AsyncIterator[NamespaceFactory]:
    """Call it for a fresh namespace; on an existing cluster they are deleted afterwards."""
    made: list[str] = []

    async def make(prefix: str = "tenant") -> str:
        made.append(await tenants.create_namespace(api, prefix))
        return made[-1]

    yield make
    if cluster.existing:
        for name in made:
            await api.delete("namespaces", None, name)


@pytest.fixture
async def namespace(make_namespace: NamespaceFactory) -> str:
    """A fresh namespace."""
    return await make_namespace()


@pytest.fixture
async def job_history(api: Api, namespace: str) -> AsyncIterator[JobHistory]:
    """The history of all jobs in ``namespace``, recorded from here on."""
    async with recorded_history(api, namespace) as history:
        yield history


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, shared: do not kill it, take ``own_redis_server`` for that."""
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def own_redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of this test's own; after ``kill()``, ``start_redis(server.state)`` revives it."""
    server = start_redis(tmp_path / "own-redis")
    yield server
    server.stop()


def redis_environment(server: RedisServer, database: int = 0) -> dict[str, str]:
    """Environment variables with which a component uses this Redis."""
    return {
        "REDIS_HOST": server.host,
        "REDIS_PORT": str(server.port),
        "REDIS_PASSWORD": server.password,
        "REDIS_DB": str(database),
    }


@pytest.fixture
def redis_env(redis_server: RedisServer) -> dict[str, str]:
    """Variables of an empty database in the shared Redis, for this test alone."""
    return redis_environment(redis_server, next(_database_numbers) % REDIS_DATABASES)


@pytest.fixture
async def redis(redis_env: dict[str, str]) -> AsyncIterator[Redis]:
    """A client of the database of ``redis_env``, emptied before the test."""
    client = redis_client.connect(RedisSettings.model_validate(redis_env))
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def seaweedfs_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """SeaweedFS, shared."""
    store = start_store("seaweedfs", tmp_path_factory.mktemp("seaweedfs"))
    yield store
    store.stop()


@pytest.fixture(scope="session")
def versitygw_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Versitygw over plain files, shared."""
    store = start_store("versitygw", tmp_path_factory.mktemp("versitygw"))
    yield store
    store.stop()


@pytest.fixture
def seaweedfs_bucket(seaweedfs_store: Store) -> Iterator[Bucket]:
    """A fresh bucket in SeaweedFS; deleted afterwards, because each bucket uses volumes."""
    bucket = fresh_bucket(seaweedfs_store)
    yield bucket
    seaweedfs_store.request("DELETE", f"/{bucket.name}")


@pytest.fixture
def versitygw_bucket(versitygw_store: Store) -> Bucket:
    """A fresh bucket in versitygw."""
    return fresh_bucket(versitygw_store)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A fresh bucket in the store that WHERRY_TEST_STORE names, else in versitygw."""
    kind = os.environ.get("WHERRY_TEST_STORE", "versitygw")
    found: Bucket = request.getfixturevalue(f"{kind}_bucket")
    return found


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ProcessGroup]:
    """Starts wherry-api, wherry-operator and wherry-jobrunner; ends them after the test."""
    group = ProcessGroup(tmp_path / "processes")
    yield group
    group.close()
