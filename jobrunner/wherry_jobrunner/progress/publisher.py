"""Publishing a job's progress to its subscribers through Redis."""

import contextlib
from datetime import datetime
from typing import Final

from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_states
from wherry_core.redis.link import RedisLink, RedisUnavailableError
from wherry_core.resources import DownloadJob
from wherry_jobrunner.progress.progress import Progress

PUBLISH_SECONDS: Final = 0.25
"""Shortest time between two snapshots of one job."""
PATIENCE_SECONDS: Final = 5.0
"""Longest wait for Redis: the completion of a job must not hang on a network that drops packets."""


def job_with(job: DownloadJob, progress: Progress, step: int) -> DownloadJob:
    """Return ``job`` as it would be if the resource recorded every step of the progress."""
    status = job.status.model_copy(
        update={
            "step": step,
            "progress": progress.percent,
            "files": progress.files,
            "bytes": progress.bytes,
        }
    )
    return job.model_copy(update={"status": status})


async def publish(link: RedisLink, job: DownloadJob, ttl_seconds: int, now: datetime) -> None:
    """Publish the snapshot of ``job``, read at ``now``.

    Redis takes neither the snapshot of a deleted job nor one that is not the newest. Nothing is
    lost while Redis is unavailable: the operator publishes the resource once it is back.
    """
    snapshot = snapshot_of(job, now)
    # The link records and logs an outage.
    with contextlib.suppress(RedisUnavailableError):
        await link.send(
            lambda redis: job_states.publish(redis, snapshot, ttl_seconds),
            within_seconds=PATIENCE_SECONDS,
        )


async def record_deletion(link: RedisLink, job: DownloadJob, now: datetime) -> None:
    """Record in Redis that ``job``, as the runner last knew it, no longer exists.

    The operator does the same; while none is alive, a status of the job would live for a day.
    """
    snapshot = snapshot_of(job, now)
    # The operator compares Redis with the resources once both are available.
    with contextlib.suppress(RedisUnavailableError):
        await link.send(
            lambda redis: job_states.delete_gone(redis, snapshot),
            within_seconds=PATIENCE_SECONDS,
        )
