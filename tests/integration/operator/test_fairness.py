"""A tenant's only job does not wait for hundreds of earlier jobs of another tenant."""

import asyncio
from pathlib import Path

from tests.harness import jobs, tenants
from tests.harness.cluster import Cluster
from tests.harness.fixtures import NamespaceFactory
from tests.harness.history import JobHistory, recorded_history
from tests.harness.process_node import process_node
from tests.harness.waiting import eventually
from tests.integration.operator.conftest import Operated
from tests.integration.operator.real_runners import FILES, prepare_real_runners
from wherry_core.resources import Phase

MANY = 300
POSTS_AT_ONCE = 16
RUNNERS, CONCURRENCY = 2, 2
SLOTS = RUNNERS * CONCURRENCY
SERVICE = {
    "DOWNLOAD_DELAY_ENABLED": "true",
    "DOWNLOAD_DELAY_MIN_MS": "400",
    "DOWNLOAD_DELAY_MAX_MS": "600",
}


def first_versions(history: JobHistory, phase: Phase) -> dict[str, int]:
    """Return by job the version of the cluster at which it was seen in ``phase`` first."""
    seen: dict[str, int] = {}
    for change in history.changes:
        if change.job.status.phase is phase:
            seen.setdefault(change.job.key, int(change.job.metadata.resource_version))
    return seen


async def test_one_job_waits_for_one_service_time_behind_three_hundred_of_another_tenant(
    operated: Operated, cluster: Cluster, make_namespace: NamespaceFactory, tmp_path: Path
) -> None:
    """Judged by the order of writes in etcd, which has one version for all of them."""
    greedy, modest = await make_namespace("greedy"), await make_namespace("modest")
    await prepare_real_runners(
        operated, variables=SERVICE, maxRunners=RUNNERS, concurrency=CONCURRENCY
    )
    for tenant in (greedy, modest):
        await tenants.grant(
            operated.api,
            (operated.namespace, "runner"),
            tenants.RUNNER_RULES,
            namespace=tenant,
        )
    operated.start_operator(WHERRY_TENANT_NAMESPACES=f"{greedy},{modest}")
    numbers = iter(range(MANY))

    async def post_some() -> None:
        for _ in numbers:
            await jobs.create_job(operated.api, greedy, list(FILES))

    async with (
        process_node(operated.api, cluster, tmp_path, [operated.namespace]),
        recorded_history(operated.api, greedy) as of_greedy,
        recorded_history(operated.api, modest) as of_modest,
    ):
        await asyncio.gather(*(post_some() for _ in range(POSTS_AT_ONCE)))
        await eventually(
            "all slots to be at work and all jobs to wait",
            lambda: (
                len(first_versions(of_greedy, Phase.QUEUED)),
                len(first_versions(of_greedy, Phase.COMPLETED)),
            ),
            lambda seen: seen[0] == MANY and seen[1] >= 2 * SLOTS,
        )
        single = await jobs.create_job(operated.api, modest, list(FILES))
        done = await jobs.job_becomes(operated.api, single, Phase.COMPLETED)
        await of_greedy.reach(done.metadata.resource_version)
        await of_modest.reach(done.metadata.resource_version)
        posted = int(single.metadata.resource_version)
        claimed = first_versions(of_modest, Phase.PROCESSING)[single.key]
        ended = first_versions(of_greedy, Phase.COMPLETED)
        before = [job for job, version in ended.items() if posted < version < claimed]
        print(f"{len(before)} jobs of the other tenant ended before it was claimed")
        # One for each slot, and as many while the operator takes it in.
        assert len(before) <= 2 * SLOTS
        assert len(ended) < MANY - 2 * SLOTS, "nothing waited any more"
