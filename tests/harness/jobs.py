"""Creates, changes and reads DownloadJobs in tests."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tests.harness.api import JOBS, Api, Resource
from tests.harness.waiting import eventually
from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_queue, job_states
from wherry_core.redis.client import Redis
from wherry_core.resources import DownloadJob, Phase
from wherry_core.resources.base import API_VERSION, format_time


def job_body(file_ids: Sequence[str], name: str = "", **spec: Any) -> Resource:
    """Return a DownloadJob as a client would post it; ``spec`` in camelCase."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DownloadJob",
        "metadata": {"name": name or str(uuid.uuid4())},
        "spec": {"fileIDs": list(file_ids), **spec},
    }


async def create_job(
    api: Api, namespace: str, file_ids: Sequence[str], name: str = "", **spec: Any
) -> DownloadJob:
    """Create a DownloadJob."""
    made = await api.create(JOBS, namespace, job_body(file_ids, name, **spec))
    return DownloadJob.model_validate(made)


async def read_job(api: Api, job: DownloadJob) -> DownloadJob:
    """Return the job as it is now. Raises ApiError 404."""
    found = await api.get(JOBS, job.metadata.namespace, job.metadata.name)
    return DownloadJob.model_validate(found)


async def patch_spec(api: Api, job: DownloadJob, **spec: Any) -> DownloadJob:
    """Change the spec, as ``kubectl patch`` does; fields in camelCase."""
    where = (JOBS, job.metadata.namespace, job.metadata.name)
    return DownloadJob.model_validate(await api.patch(*where, {"spec": spec}))


async def patch_status(api: Api, job: DownloadJob, **status: Any) -> DownloadJob:
    """Change the status without preconditions, in place of the operator; fields in camelCase."""
    where = (JOBS, job.metadata.namespace, job.metadata.name)
    return DownloadJob.model_validate(await api.patch(*where, {"status": status}, sub="status"))


async def queue_job(api: Api, redis: Redis, job: DownloadJob, *, attempt: int = 1) -> DownloadJob:
    """Do what the operator does with a new job, or with one that gets another attempt."""
    queued = await patch_status(
        api,
        job,
        phase=Phase.QUEUED.value,
        attempt=attempt,
        step=0,
        runner=None,
        queuedTime=format_time(datetime.now(UTC)),
        observedGeneration=job.metadata.generation,
        files={"total": len(set(job.spec.file_ids)), "completed": 0, "skipped": 0},
    )
    await job_queue.enqueue(redis, job.spec.pool, job.key, job.spec.priority)
    await job_states.publish(redis, snapshot_of(queued), 3_600)
    return queued


async def job_becomes(
    api: Api, job: DownloadJob, *phases: Phase, within: float = 60.0
) -> DownloadJob:
    """Wait until the job is in one of ``phases`` and return it."""
    wanted = " or ".join(phases)
    return await eventually(
        f"job {job.key} to be {wanted}",
        lambda: read_job(api, job),
        lambda found: found.status.phase in phases,
        within=within,
    )
