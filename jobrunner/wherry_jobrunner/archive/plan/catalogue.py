"""The admin's own HTTP catalogue: from a batch of file ids to keys and names.

The request is ``POST {"tenant", "ids": [...]}``, the answer ``{"files": [{"id", "key", "name"}]}``.
An id that is not in the answer has no file for this tenant. The catalogue's address is never shown
to tenants.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

import aiohttp
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.plan.key_template import fault_of
from wherry_jobrunner.archive.settings import ArchiveSettings
from wherry_jobrunner.archive.store.objects import Target
from wherry_jobrunner.archive.store.retries import (
    PASSING,
    PASSING_STATUSES,
    PassingStatusError,
    TruncatedError,
    wait_or_give_up,
)

BYTES_PER_ID: Final = 8_192
"""Largest answer in bytes, for each id of the request."""
CONCURRENT_BATCHES: Final = 4


class CatalogueFile(BaseModel):
    """One file in the catalogue's answer; further fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    id: Annotated[str, Field(min_length=1, max_length=256)]
    key: Annotated[str, Field(min_length=1, max_length=1_024)]
    name: Annotated[str | None, Field(max_length=1_024)] = None


class CatalogueAnswer(BaseModel):
    """The answer to one batch."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    files: list[CatalogueFile]


def _invalid(why: str) -> ArchiveError:
    return ArchiveError(
        "CatalogueAnswerInvalid",
        f"The file catalogue gave an answer that cannot be used: {why}. Report it to the "
        "administrator.",
        retryable=True,
    )


def targets_of(answer: bytes, asked: Sequence[str], forbidden_prefix: str | None) -> list[Target]:
    """Return the targets in ``answer``, in the order of ``asked``.

    Raises ArchiveError (CatalogueAnswerInvalid) for an answer that is not of the agreed form, has
    an id that was not asked for, or a key that leads out of its place or into the archives.
    """
    try:
        files = CatalogueAnswer.model_validate(orjson.loads(answer)).files
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise _invalid("it is not the JSON that docs/archive.md describes") from error
    wanted = set(asked)
    found: dict[str, Target] = {}
    for file in files:
        if file.id not in wanted:
            raise _invalid(f"it names the id {file.id[:80]!r}, which was not asked for")
        if file.id in found:
            raise _invalid(f"it names the id {file.id[:80]!r} twice")
        if fault := fault_of(file.key):
            raise _invalid(f"the key of {file.id[:80]!r} cannot be used: {fault}")
        if len(file.key.encode()) > 1_024:
            raise _invalid(f"the key of {file.id[:80]!r} is longer than 1024 bytes")
        if forbidden_prefix is not None and file.key.startswith(forbidden_prefix):
            raise _invalid(f"the key of {file.id[:80]!r} is among the archives")
        found[file.id] = Target(file.id, file.key, file.name or file.key.rpartition("/")[2])
    return [found[file_id] for file_id in asked if file_id in found]


async def look_up(
    tenant: str, ids: Sequence[str], settings: ArchiveSettings, forbidden_prefix: str | None
) -> list[Target]:
    """Ask the catalogue for all ``ids`` in batches; return the targets of those that it lists."""
    size = settings.catalogue_batch
    batches = [ids[begin : begin + size] for begin in range(0, len(ids), size)]
    slots = asyncio.Semaphore(CONCURRENT_BATCHES)
    timeout = aiohttp.ClientTimeout(total=settings.catalogue_timeout_seconds)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    # The limit on the answer's size must count the bytes that arrive, so nothing is compressed.
    headers["Accept-Encoding"] = "identity"
    if settings.catalogue_token is not None:
        headers["Authorization"] = f"Bearer {settings.catalogue_token.get_secret_value()}"
    async with aiohttp.ClientSession(
        timeout=timeout, headers=headers, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def one(batch: Sequence[str]) -> list[Target]:
            async with slots:
                answer = await _ask(session, tenant, batch, settings)
            return targets_of(answer, batch, forbidden_prefix)

        results = await asyncio.gather(*(one(batch) for batch in batches))
    return [target for targets in results for target in targets]


async def _ask(
    session: aiohttp.ClientSession, tenant: str, batch: Sequence[str], settings: ArchiveSettings
) -> bytes:
    url = settings.catalogue_url
    if url is None:
        raise ValueError("no catalogue is configured")
    limit = BYTES_PER_ID * len(batch)
    body = orjson.dumps({"tenant": tenant, "ids": batch})
    for attempt in range(settings.attempts):
        try:
            async with session.post(
                url.get_secret_value(), data=body, allow_redirects=False
            ) as response:
                if response.status in PASSING_STATUSES:
                    raise PassingStatusError(response.status, response.headers.get("Retry-After"))
                if response.status != 200:
                    raise _invalid(f"HTTP status {response.status}")
                answer = bytearray()
                async for chunk in response.content.iter_chunked(1 << 16):
                    answer += chunk
                    if len(answer) > limit:
                        raise _invalid(f"it has more than {limit} bytes")
                return bytes(answer)
        except PASSING as error:
            if attempt + 1 == settings.attempts:
                raise ArchiveError(
                    "CatalogueUnavailable",
                    f"The file catalogue did not answer in {settings.attempts} tries.",
                    retryable=True,
                ) from error
            await wait_or_give_up(attempt, settings.attempts, error, "answer")
    raise TruncatedError("no try was made")
