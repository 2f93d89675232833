"""Telling followers of a job through Redis how far it is."""

from datetime import UTC, datetime
from typing import Final

from wherry_core.job_snapshot import snapshot_of
from wherry_core.redis import job_states
from wherry_core.resources import DownloadJob
from wherry_jobrunner.progress.progress import Figures
from wherry_jobrunner.redis_link import RedisAwayError, RedisLink

PUBLISH_SECONDS: Final = 0.25
"""Shortest time between two snapshots of one job."""
TELL_SECONDS: Final = 5.0
"""How long Redis is waited for: the end of a job must not hang on a network that swallows it."""


def job_with(job: DownloadJob, figures: Figures, step: int) -> DownloadJob:
    """Return ``job`` as it would be if the resource carried every step of the progress."""
    status = job.status.model_copy(
        update={
            "step": step,
            "progress": figures.percent,
            "files": figures.files,
            "bytes": figures.bytes,
        }
    )
    return job.model_copy(update={"status": status})


async def tell(link: RedisLink, job: DownloadJob, ttl_seconds: int) -> bool:
    """Publish what ``job`` shows; False when Redis is away.

    Nothing is lost then: the operator publishes the resource when Redis is back.
    """
    snapshot = snapshot_of(job, datetime.now(UTC))
    try:
        await link.ask(job_states.publish(link.redis, snapshot, ttl_seconds), TELL_SECONDS)
    except RedisAwayError:
        return False
    return True
