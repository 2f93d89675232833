"""The newest snapshot of each job, and the channel on which newer ones are published.

A job's deletion leaves a record for an hour, so that a runner that publishes late does not bring
the job back. What a message on a channel holds, see :func:`received`.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from pydantic import ValidationError

from wherry_core.job_snapshot import JobSnapshot, deleted
from wherry_core.redis import keys
from wherry_core.redis.client import Redis
from wherry_core.resources.base import format_time

log = logging.getLogger(__name__)

DELETION_SECONDS: Final = 3_600
"""Seconds for which a deleted job's late snapshots are refused. A runner notices within seconds
that its job is gone; a frozen one as soon as it runs again."""
LONGEST_TTL_SECONDS: Final = 30 * 86_400
"""The longest ttlSecondsAfterFinished that the CRD accepts."""
ENDED_MARK_SECONDS: Final = 7 * 86_400
"""Seconds beyond the longest life of an ended job for which its end is remembered, so that the
answer is "expired" and not "unknown"."""
SCAN_BATCH: Final = 500

PUBLISH_STATE: Final = """
-- Keeps the newest snapshot of a job and sends it to its subscribers. KEYS: state.
-- ARGV: uid, terminal, attempt, step, snapshot, ttl seconds, channel, created (Unix seconds).
-- A job whose deletion is recorded is refused. Of two jobs of one name, the one created later
-- counts: a runner may not know yet that its job is gone. When both were created in the same
-- second, the last one published counts.
local old = redis.call('HMGET', KEYS[1], 'uid', 'terminal', 'attempt', 'step', 'created', 'deleted')
if old[6] == ARGV[1] then return 0 end
if old[1] == ARGV[1] then
  if old[2] == '1' then return 0 end
  local attempt, step = tonumber(old[3]), tonumber(old[4])
  if ARGV[2] ~= '1' then
    if tonumber(ARGV[3]) < attempt then return 0 end
    if tonumber(ARGV[3]) == attempt and tonumber(ARGV[4]) <= step then return 0 end
  end
elseif tonumber(ARGV[8]) < (tonumber(old[5]) or 0) then
  return 0
end
local ttl = tonumber(ARGV[6])
if old[6] then ttl = math.max(ttl, redis.call('TTL', KEYS[1])) end
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'terminal', ARGV[2], 'attempt', ARGV[3],
           'step', ARGV[4], 'created', ARGV[8], 'snapshot', ARGV[5])
redis.call('EXPIRE', KEYS[1], ttl)
redis.call('PUBLISH', ARGV[7], ARGV[5])
return 1
"""

DELETE_STATE: Final = """
-- Replaces the snapshot of a job by a record of its deletion. KEYS: state.
-- ARGV: uid, seconds for which the record is kept, channel, snapshot that ends the job for its
-- subscribers ('' for none), created (Unix seconds, 0 when not known).
-- The snapshot of another job of this name stays, unless that was created earlier and is therefore
-- gone as well. Version 0.1 takes the record for a terminal snapshot of the job, so that it
-- refuses a late one, too.
local old = redis.call('HMGET', KEYS[1], 'uid', 'terminal', 'created', 'deleted')
if old[4] == ARGV[1] then return 0 end
local created, old_created = tonumber(ARGV[5]), tonumber(old[3]) or 0
-- The deletion of a job created later is recorded: it refuses late snapshots of both.
if old[1] and old[1] == old[4] and created > 0 and created < old_created then return 0 end
if old[1] and old[1] ~= ARGV[1] and old[1] ~= old[4] and created <= old_created then
  redis.call('HSET', KEYS[1], 'deleted', ARGV[1])
  if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
  return 0
end
if ARGV[4] ~= '' and not (old[1] == ARGV[1] and old[2] == '1') then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'uid', ARGV[1], 'deleted', ARGV[1], 'terminal', '1',
           'attempt', '0', 'step', '0',
           'created', string.format('%.0f', math.max(created, old_created)))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class StateRef:
    """The job of which Redis holds a snapshot."""

    namespace: str
    name: str
    uid: str
    deleted: bool = False
    """True when Redis holds only the record of the job's deletion."""


async def publish(redis: Redis, snapshot: JobSnapshot, ttl_seconds: int) -> bool:
    """Keep and publish ``snapshot``; False when it is refused.

    Refused is one that is not newer than the one that is there, one of a job whose deletion is
    recorded, and one of a job that has a namesake created later.
    """
    accepted = await redis.eval(
        PUBLISH_STATE,
        1,
        redis.keyspace.job_state(snapshot.namespace, snapshot.name),
        snapshot.uid,
        "1" if snapshot.terminal else "0",
        str(snapshot.attempt),
        str(snapshot.step),
        _message(redis, snapshot),
        str(max(ttl_seconds, 1)),
        keys.job_updates(snapshot.name),
        str(int(snapshot.created_at.timestamp())),
    )
    return bool(accepted)


async def read(redis: Redis, namespace: str, name: str) -> JobSnapshot | None:
    """Return the newest snapshot of a job, or None when Redis has none."""
    text = await redis.hget(redis.keyspace.job_state(namespace, name), "snapshot")
    return _parsed(text, f"{namespace}/{name}")


async def read_many(redis: Redis, jobs: Sequence[tuple[str, str]]) -> list[JobSnapshot | None]:
    """Return the newest snapshots of ``jobs`` (namespace, name), in their order."""
    pipeline = redis.pipeline(transaction=False)
    for namespace, name in jobs:
        pipeline.hget(redis.keyspace.job_state(namespace, name), "snapshot")
    texts = await pipeline.execute()
    return [
        _parsed(text, f"{namespace}/{name}")
        for text, (namespace, name) in zip(texts, jobs, strict=True)
    ]


def received(redis: Redis, text: str) -> JobSnapshot | None:
    """Return the snapshot in a message of a job's channel.

    All releases that use a Redis server share the channels, whatever their databases, and so do
    all namespaces. The caller compares the namespace. None for a message of another release, and
    for one that cannot be read.
    """
    snapshot = _parsed(text, "of a message")
    if snapshot is None or snapshot.release not in {None, redis.keyspace.release}:
        return None
    return snapshot


async def delete(
    redis: Redis, namespace: str, name: str, uid: str, last: JobSnapshot | None = None
) -> bool:
    """Record that the job ``uid`` is deleted; False when Redis knew it, or has a namesake's state.

    Its snapshot is removed, and later ones of it are refused; those of a job that is created under
    the same name are accepted. ``last`` is the newest snapshot of the job, None when not known. If
    it is not terminal, subscribers get it as that of a deleted job.
    """
    notice = _message(redis, deleted(last)) if last is not None and not last.terminal else ""
    recorded = await redis.eval(
        DELETE_STATE,
        1,
        redis.keyspace.job_state(namespace, name),
        uid,
        str(DELETION_SECONDS),
        keys.job_updates(name),
        notice,
        str(int(last.created_at.timestamp()) if last else 0),
    )
    return bool(recorded)


async def delete_gone(redis: Redis, snapshot: JobSnapshot) -> bool:
    """Record the deletion of a job of which only its snapshot is left.

    Call it after the API server answered that no job of this name exists. A job that was created
    meanwhile under the same name has another uid and is not touched.
    """
    return await delete(redis, snapshot.namespace, snapshot.name, snapshot.uid, snapshot)


async def scan(redis: Redis, batch: int = SCAN_BATCH) -> AsyncIterator[list[StateRef]]:
    """Yield all jobs of this release that Redis knows, in lists of about ``batch``.

    Those whose deletion is recorded are among them.

    A job whose snapshot comes or goes meanwhile may be missing, and one may come twice.
    """
    pattern = redis.keyspace.job_state_pattern()
    found: list[str] = []
    async for key in redis.scan_iter(match=pattern, count=1_000, _type="hash"):
        found.append(str(key))
        if len(found) >= batch:
            yield await _refs(redis, found)
            found = []
    if found:
        yield await _refs(redis, found)


async def mark_ended(redis: Redis, snapshot: JobSnapshot, lifetime_seconds: int = 0) -> None:
    """Remember when the job of a terminal snapshot ended.

    ``lifetime_seconds`` is the longest of the operator's default lifetimes of ended jobs.
    """
    ended = (snapshot.completed_at or snapshot.updated_at).astimezone(UTC)
    key = redis.keyspace.ended_job(snapshot.namespace, snapshot.name)
    seconds = max(LONGEST_TTL_SECONDS, lifetime_seconds) + ENDED_MARK_SECONDS
    await redis.set(key, format_time(ended), ex=seconds)


async def ended_at(redis: Redis, namespace: str, name: str) -> str | None:
    """Return when a job of this name ended (RFC 3339), None when that is not remembered."""
    pipeline = redis.pipeline(transaction=False)
    for keyspace in (redis.keyspace, keys.EARLIER):
        pipeline.get(keyspace.ended_job(namespace, name))
    own, earlier = await pipeline.execute()
    mark = own or earlier
    return None if mark is None else str(mark)


async def _refs(redis: Redis, state_keys: Sequence[str]) -> list[StateRef]:
    pipeline = redis.pipeline(transaction=False)
    for key in state_keys:
        pipeline.hmget(key, ["uid", "deleted"])
    refs = []
    for key, (uid, deleted_uid) in zip(state_keys, await pipeline.execute(), strict=True):
        job = redis.keyspace.job_of_state(key)
        if job is not None and uid is not None and uid != deleted_uid:
            refs.append(StateRef(*job, str(uid)))
        if job is not None and deleted_uid is not None:
            refs.append(StateRef(*job, str(deleted_uid), deleted=True))
    return refs


def _message(redis: Redis, snapshot: JobSnapshot) -> str:
    """Return ``snapshot`` as it is kept and published, with the release that it is of."""
    of_release = snapshot.model_copy(update={"release": redis.keyspace.release or None})
    return of_release.model_dump_json(by_alias=True, exclude_none=True)


def _parsed(text: str | bytes | None, job: str) -> JobSnapshot | None:
    """Return the snapshot; None where there is none, or none that this version can read.

    Another version of Wherry may have written it: the caller then reads the resource.
    """
    if text is None:
        return None
    try:
        return JobSnapshot.model_validate_json(text)
    except ValidationError as error:
        log.warning("a snapshot in Redis cannot be read: %s", error, extra={"job": job})
        return None
