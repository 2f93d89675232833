"""The fixtures: every real server answers."""

import pytest

from tests.harness.api import Api, ApiError
from tests.harness.buckets import Bucket
from tests.harness.cluster import Cluster
from tests.harness.history import JobHistory, violations
from tests.harness.jobs import create_job, patch_status, read_job
from tests.harness.processes import ProcessGroup
from tests.harness.tenants import RUNNER_RULES, service_account_kubeconfig
from wherry_core.redis.client import Redis


@pytest.mark.parametrize("kind", ["seaweedfs", "versitygw"])
async def test_bucket_keeps_files(kind: str, request: pytest.FixtureRequest) -> None:
    bucket: Bucket = request.getfixturevalue(f"{kind}_bucket")
    await bucket.put_files({"1": b"one", "2": b"two"})
    assert sorted(await bucket.keys()) == ["files/1", "files/2"]
    assert await bucket.read("files/2") == b"two"
    assert await bucket.uploads() == []


async def test_redis_is_empty(redis: Redis) -> None:
    assert await redis.dbsize() == 0


async def test_service_account_has_just_its_rights(
    api: Api, cluster: Cluster, processes: ProcessGroup, namespace: str
) -> None:
    rules = {namespace: RUNNER_RULES}
    kubeconfig = await service_account_kubeconfig(
        api, cluster, processes.folder, (namespace, "runner"), rules
    )
    job = await create_job(api, namespace, ["1"])
    async with await Api.connect(kubeconfig) as runner:
        assert await read_job(runner, job) == job
        with pytest.raises(ApiError, match="forbidden"):
            await create_job(runner, namespace, ["1"])


async def test_history_sees_changes_and_broken_promises(
    api: Api, namespace: str, job_history: JobHistory
) -> None:
    job = await create_job(api, namespace, ["1"])
    await patch_status(api, job, phase="Processing", attempt=1, runner="a", progress=50)
    last = await patch_status(api, job, phase="Processing", runner="b", progress=10)
    await job_history.reach(last.metadata.resource_version)
    assert job_history.phases(job) == ["", "Processing"]
    assert violations(job_history.changes) == [f"{job.key}: attempt 1 claimed by a and by b"]
