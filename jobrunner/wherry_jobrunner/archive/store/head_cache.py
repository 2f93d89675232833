"""What HEAD requests told, kept in Redis for five minutes.

Only objects that were found are kept: a missing one may be stored at any moment. Redis is an index
here as everywhere: without it every object is asked again.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from redis.exceptions import RedisError

from wherry_core.redis import keys
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
        return keys.object_head(self._endpoint, bucket, key)

    async def read(self, bucket: str, object_keys: Sequence[str]) -> list[ObjectHead | None]:
        """Return what is known of each object, None where nothing is."""
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
        """Keep ``heads``, by object key."""
        items = list(heads.items())
        try:
            for begin in range(0, len(items), BATCH):
                pipeline = self._redis.pipeline(transaction=False)
                for key, head in items[begin : begin + BATCH]:
                    pipeline.set(self._key(bucket, key), _encode(head), ex=LIFETIME_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            self._unavailable(error)

    async def forget(self, bucket: str, object_keys: Sequence[str]) -> None:
        """Drop what is known: an object was found to be another one."""
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
            "Redis is not there for the cache of heads: %s", error, extra={"job": self._job}
        )


def _encode(head: ObjectHead) -> bytes:
    return orjson.dumps([head.size, head.etag, head.modified, head.crc32, head.sha256])


def _decode(text: str | None) -> ObjectHead | None:
    if text is None:
        return None
    try:
        size, etag, modified, crc32, sha256 = orjson.loads(text)
    except (ValueError, TypeError):
        # None of ours, or of another release: the store is asked.
        return None
    if not (isinstance(size, int) and isinstance(etag, str) and isinstance(modified, int)):
        return None
    return ObjectHead(size, etag, modified, crc32, sha256)
