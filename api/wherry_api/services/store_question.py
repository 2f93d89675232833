"""One cheap question that tells whether the store answers at all."""

import asyncio
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

TIMEOUT_SECONDS: Final = 3.0
SERVER_ERRORS: Final = 500


def fault_of(error: Exception) -> str | None:
    """Return why ``error`` is no answer; None for a refusal, which is one.

    The API may have no right to look at the bucket, and needs none: only clients fetch from it.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", SERVER_ERRORS)
        return None if status < SERVER_ERRORS else f"status {status}"
    return f"{type(error).__name__}: {error}"


async def why_unanswered(client: Any, bucket: str) -> str | None:
    """Ask for the bucket's existence (HeadBucket); return why no answer came, or None."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await client.head_bucket(Bucket=bucket)
    except TimeoutError:
        return f"nothing came within {TIMEOUT_SECONDS:g} seconds"
    except (ClientError, BotoCoreError, OSError) as error:
        return fault_of(error)
    return None
