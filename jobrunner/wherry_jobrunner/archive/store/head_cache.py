"""The answers to HEAD requests, kept in Redis for five minutes.

Only objects with bytes are kept. A read of such an object is pinned by its ETag, which shows a
stale head. A missing object may be stored at any moment, and an empty one is never read. Redis is
an index here as everywhere: without it the store is asked for every object.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from redis.exceptions import RedisError

from wherry_core.redis.client import Redis
from wherry_jobrunner.archive.store.objects import ObjectHead

logger = logging.getLogger(__name__)

LIFETIME_SECONDS: Final = 300
BATCH: Final = 500


class HeadCache:
    """Heads of the objects of one store."""

    def __init__(self, redis: Redis, endpoint: str, job: str) -> None:
        self._redis = redis
        self._endpoint = endpoint
        self._job = job

    def _key(self, bucket: str, key: str) -> str:
        return self._redis.keyspace.object_head(self._endpoint, bucket, key)

    async def read(self, bucket: str, object_keys: Sequence[str]) -> list[ObjectHead | None]:
        """Return the head of each object, or None where none is kept."""
        heads: list[ObjectHead | None] = []
        try:
            for begin in range(0, len(object_keys), BATCH):
                pipeline = self._redis.pipeline(transaction=False)
                for key in object_keys[begin : begin + BATCH]:
                    pipeline.get(self._key(bucket, key))
                heads.extend(_decode(text) for text in await pipeline.execute())
        except (RedisError, OSError) as error:
            self._unavailable(error)
            return [None] * len(object_keys)
        return heads

    async def write(self, bucket: str, heads: Mapping[str, ObjectHead]) -> None:
        """Keep ``heads``, by object key, of objects that have bytes."""
        items = [(key, head) for key, head in heads.items() if head.size > 0]
        try:
            for begin in range(0, len(items), BATCH):
                pipeline = self._redis.pipeline(transaction=False)
                for key, head in items[begin : begin + BATCH]:
                    pipeline.set(self._key(bucket, key), _encode(head), ex=LIFETIME_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._unavailable(error)

    async def evict(self, bucket: str, object_keys: Sequence[str]) -> None:
        """Delete the heads of objects, one of which was found to be stale."""
        try:
            for begin in range(0, len(object_keys), BATCH):
                pipeline = self._redis.pipeline(transaction=False)
                for key in object_keys[begin : begin + BATCH]:
                    pipeline.delete(self._key(bucket, key))
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._unavailable(error)

    def _unavailable(self, error: Exception) -> None:
        logger.warning(
            "Redis is unavailable for the cache of heads: %s", error, extra={"job": self._job}
        )


def _encode(head: ObjectHead) -> bytes:
    return orjson.dumps([head.size, head.etag, head.modified, head.crc32, head.sha256])


def _decode(text: str | None) -> ObjectHead | None:
    if text is None:
        return None
    try:
        size, etag, modified, crc32, sha256 = orjson.loads(text)
    except (ValueError, TypeError):
        # Written by another release, or not by Wherry.
        return None
    if not (isinstance(size, int) and isinstance(etag, str) and isinstance(modified, int)):
        return None
    # Releases before 0.2 kept empty objects as well.
    if size <= 0:
        return None
    return ObjectHead(size, etag, modified, crc32, sha256)
