"""Sample files with the same bytes on every machine, so that an archive can be checked."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

FIRST_ID: Final = 70_000
MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True)
class SampleFile:
    """One file of the samples."""

    id: int
    size: int
    """Bytes."""

    def content(self) -> bytes:
        """Return the file's bytes, generated from its id."""
        return random.Random(self.id).randbytes(self.size)  # noqa: S311

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content()).hexdigest()


def sample_files(count: int = 40) -> Iterator[SampleFile]:
    """Yield ``count`` files: an empty one, one byte, some text-sized ones and a few large ones."""
    sizes = [48_213, 0, 12 * MEBIBYTE + 7, 1, 5 * MEBIBYTE, 4_096, 999_983]
    for index in range(count):
        yield SampleFile(id=FIRST_ID + index, size=sizes[index % len(sizes)])


async def put_sample_files(
    client: Any, bucket: str, key_template: str, files: list[SampleFile]
) -> int:
    """Store the files that are missing; return how many were stored."""
    put = 0
    present: dict[str, int] = {}
    prefix = key_template.partition("{id}")[0]
    async for page in client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix
    ):
        present |= {item["Key"]: item["Size"] for item in page.get("Contents", [])}
    for file in files:
        key = key_template.replace("{id}", str(file.id))
        if present.get(key) == file.size:
            continue
        await client.put_object(Bucket=bucket, Key=key, Body=file.content())
        put += 1
    return put
