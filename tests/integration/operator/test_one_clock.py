"""Only the API server's clock counts, even if the clock of the operator's node is wrong."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.harness import jobs, tenants
from tests.harness.api import JOBS
from tests.harness.cluster import Cluster
from tests.harness.fault_proxy import fault_proxy
from tests.harness.history import JobHistory
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import RELEASE_RULES, TENANT_RULES, Operated
from wherry_core.resources import Phase
from wherry_core.resources.base import format_time

TWO_MINUTES = 120.0


@pytest.mark.parametrize("offset", [TWO_MINUTES, -TWO_MINUTES], ids=["behind", "ahead"])
async def test_times_and_time_to_live_follow_the_api_servers_clock(
    operated: Operated, cluster: Cluster, job_history: JobHistory, offset: float
) -> None:
    """The operator sees an API server whose clock differs from its own by two minutes."""

    def server_time() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=offset)

    await operated.create_pool(maxRunners=0)
    token = await admin_token(operated)
    async with fault_proxy(cluster) as proxy:
        proxy.clock_offset_seconds = offset
        path = cluster.token_kubeconfig(
            operated.processes.folder / "operator.kubeconfig",
            namespace=operated.namespace,
            token=token,
            server=proxy.url,
        )
        await operated.start_behind(KUBECONFIG=str(path))
        waiting = await jobs.create_job(operated.api, operated.namespace, ["1"])
        queued = await jobs.job_becomes(operated.api, waiting, Phase.QUEUED)
        assert queued.status.queued_time is not None
        assert abs((queued.status.queued_time - server_time()).total_seconds()) < 5

        ended = await jobs.create_job(
            operated.api, operated.namespace, ["1"], ttlSecondsAfterFinished=8
        )
        await jobs.job_becomes(operated.api, ended, Phase.QUEUED)
        await jobs.patch_status(
            operated.api, ended, phase="Failed", completionTime=format_time(server_time())
        )
        where = (JOBS, operated.namespace, ended.metadata.name)
        started = datetime.now(UTC)
        await eventually("its time to live to pass", lambda: is_gone(operated, *where), within=30)
        assert (datetime.now(UTC) - started).total_seconds() > 5
    # Their times of creation are not those of the proxy's clock, which the model would notice.
    await jobs_end(job_history)


async def jobs_end(history: JobHistory) -> None:
    """Drop what was recorded of the jobs."""
    await asyncio.sleep(1)
    history.changes.clear()


async def is_gone(operated: Operated, *where: str) -> bool:
    return await operated.api.find(*where) is None


async def admin_token(operated: Operated) -> str:
    """Return the token of a service account with the operator's rights."""
    account = (operated.namespace, "operator")
    await tenants.create_service_account(operated.api, *account)
    rules = [*RELEASE_RULES, *TENANT_RULES]
    await tenants.grant(operated.api, account, rules, namespace=operated.namespace)
    return await tenants.request_token(operated.api, *account)
