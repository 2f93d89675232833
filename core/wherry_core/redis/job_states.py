"""The newest snapshot of each job, and the channel that tells of newer ones."""

import logging
from collections.abc import Sequence

from pydantic import ValidationError

from wherry_core.job_snapshot import JobSnapshot
from wherry_core.redis import keys, scripts
from wherry_core.redis.client import Redis

log = logging.getLogger(__name__)


async def publish(redis: Redis, snapshot: JobSnapshot, ttl_seconds: int) -> bool:
    """Keep and publish ``snapshot``; False when it is not the newest.

    That is: a newer or a terminal one is there, or one of a job of this name that was made later.
    """
    taken = await redis.eval(
        scripts.PUBLISH_STATE,
        1,
        keys.job_state(snapshot.namespace, snapshot.name),
        snapshot.uid,
        "1" if snapshot.terminal else "0",
        str(snapshot.attempt),
        str(snapshot.step),
        snapshot.model_dump_json(by_alias=True, exclude_none=True),
        str(max(ttl_seconds, 1)),
        keys.job_updates(snapshot.name),
        str(int(snapshot.created_at.timestamp())),
    )
    return bool(taken)


async def read(redis: Redis, namespace: str, name: str) -> JobSnapshot | None:
    """Return the newest snapshot of a job, or None when Redis has none."""
    text = await redis.hget(keys.job_state(namespace, name), "snapshot")
    return _parsed(text, f"{namespace}/{name}")


async def read_many(redis: Redis, jobs: Sequence[tuple[str, str]]) -> list[JobSnapshot | None]:
    """Return the newest snapshots of ``jobs`` (namespace, name), in their order, in one go."""
    pipeline = redis.pipeline(transaction=False)
    for namespace, name in jobs:
        pipeline.hget(keys.job_state(namespace, name), "snapshot")
    texts = await pipeline.execute()
    return [
        _parsed(text, f"{namespace}/{name}")
        for text, (namespace, name) in zip(texts, jobs, strict=True)
    ]


def _parsed(text: str | bytes | None, job: str) -> JobSnapshot | None:
    """Return the snapshot; None where there is none, and where it is not one that we know.

    Another release of Wherry may have written it: the resource then tells what there is.
    """
    if text is None:
        return None
    try:
        return JobSnapshot.model_validate_json(text)
    except ValidationError as error:
        log.warning("a snapshot in Redis cannot be read: %s", error, extra={"job": job})
        return None


async def forget(redis: Redis, namespace: str, name: str, uid: str) -> None:
    """Remove the snapshot of a deleted job; that of a job made anew under its name stays."""
    await redis.eval(scripts.FORGET_STATE, 1, keys.job_state(namespace, name), uid)
