"""The parts that an attempt has uploaded, noted in Redis for reuse by the next attempt.

The store's own list of parts says which ones exist. Only the journal has the CRCs of the files'
pieces, which the central directory needs. Without Redis, an attempt begins from the start.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from wherry_core.archive_keys import is_below
from wherry_core.redis import keys
from wherry_core.redis.client import Redis
from wherry_jobrunner.archive.store.multipart_upload import Upload
from wherry_jobrunner.archive.store.requests import StoredPart

logger = logging.getLogger(__name__)

LIFETIME_SECONDS: Final = 86_400
UPLOAD_FIELD: Final = "upload"


@dataclass(frozen=True, slots=True)
class JournalPart:
    """One part that was uploaded."""

    stored: StoredPart
    crc32: int | None
    range_crcs: tuple[int | None, ...]
    """CRC-32 of each range in the part, in their order."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of an earlier attempt."""

    digest: str
    upload: Upload
    parts: dict[int, JournalPart]


def _decode(fields: dict[str, str]) -> Journal:
    """Return the journal in ``fields``. Raises ValueError, TypeError."""
    digest, bucket, key, upload_id, with_crc32 = orjson.loads(fields[UPLOAD_FIELD])
    upload = Upload(str(bucket), str(key), str(upload_id), bool(with_crc32))
    parts: dict[int, JournalPart] = {}
    for number, text in fields.items():
        if number == UPLOAD_FIELD:
            continue
        etag, size, store_crc32, crc32, range_crcs = orjson.loads(text)
        stored = StoredPart(int(number), str(etag), int(size), store_crc32)
        parts[int(number)] = JournalPart(stored, crc32, tuple(range_crcs))
    return Journal(str(digest), upload, parts)


class PartJournal:
    """The journal of one job. Losing it only costs time, so errors of Redis are not raised."""

    def __init__(self, redis: Redis, uid: str, job: str, bucket: str, folder: str) -> None:
        """``folder`` is the only key prefix in ``bucket`` that an upload of this job can have."""
        self._redis: Any = redis
        self._key = keys.archive_parts(uid)
        self._job = job
        self._bucket = bucket
        self._folder = folder
        self._given_up = False

    async def begin(self, digest: str, upload: Upload) -> None:
        """Start a new journal, for ``upload``."""
        value = [digest, upload.bucket, upload.key, upload.upload_id, upload.with_crc32]
        try:
            await self._redis.delete(self._key)
            await self._redis.hset(self._key, UPLOAD_FIELD, orjson.dumps(value))
            await self._redis.expire(self._key, LIFETIME_SECONDS)
        except (RedisError, OSError) as error:
            self._unavailable(error)

    async def note(
        self, stored: StoredPart, crc32: int | None, range_crcs: Sequence[int | None]
    ) -> None:
        """Note one uploaded part."""
        if self._given_up:
            return
        value = orjson.dumps([stored.etag, stored.size, stored.crc32, crc32, range_crcs])
        try:
            await self._redis.hset(self._key, str(stored.number), value)
        except (RedisError, OSError) as error:
            self._unavailable(error)

    async def read(self) -> Journal | None:
        """Return the journal of an earlier attempt, or None."""
        try:
            fields: dict[str, str] = await self._redis.hgetall(self._key)
        except (RedisError, OSError) as error:
            self._unavailable(error)
            return None
        if UPLOAD_FIELD not in fields:
            return None
        try:
            journal = _decode(fields)
        except (ValueError, TypeError):
            logger.warning("the journal of parts cannot be read", extra={"job": self._job})
            return None
        upload = journal.upload
        if upload.bucket != self._bucket or not is_below(upload.key, self._folder):
            # The upload that it names would be completed, copied and deleted.
            logger.error(
                "the journal of parts names an upload that does not belong to this job: %s in %s",
                upload.key,
                upload.bucket,
                extra={"job": self._job},
            )
            return None
        return journal

    async def clear(self) -> None:
        """Delete the journal: the archive is finished."""
        try:
            await self._redis.delete(self._key)
        except (RedisError, OSError) as error:
            self._unavailable(error)

    def _unavailable(self, error: Exception) -> None:
        # No further tries: each may take seconds, and a journal with gaps is enough.
        self._given_up = True
        logger.warning(
            "Redis is unavailable for the journal of parts: %s", error, extra={"job": self._job}
        )
