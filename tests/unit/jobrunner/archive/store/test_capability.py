"""What a probe concludes from answers that no store can be asked for."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.jobrunner.archive.sources import MIB, source
from wherry_jobrunner.archive.store.capability import PROBE_BYTES, _probe
from wherry_jobrunner.archive.store.multipart_upload import Upload
from wherry_jobrunner.archive.store.objects import encode_crc32

UPLOAD = Upload("archives", "a.zip.probe", "upload", with_crc32=True)


class Store:
    """Copies the first part, and answers with ``code`` when the ETag is another."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.copies = 0

    async def upload_part_copy(self, **_: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.copies += 1
        if self.copies > 1:
            raise ClientError({"Error": {"Code": self.code}}, "UploadPartCopy")
        crc32 = encode_crc32(zlib.crc32(bytes(PROBE_BYTES)))
        return {"CopyPartResult": {"ETag": '"e"', "ChecksumCRC32": crc32}}

    async def read_into(self, _bucket: str, _source: Any, _start: int, view: memoryview) -> None:
        await asyncio.sleep(0)
        view[:] = bytes(len(view))

    def get_paginator(self, _: str) -> "Store":
        return self

    async def paginate(self, **_: Any) -> AsyncIterator[dict[str, Any]]:
        await asyncio.sleep(0)
        yield {"Parts": [{"PartNumber": 1, "ETag": '"e"', "Size": PROBE_BYTES}]}


@pytest.mark.parametrize(
    ("code", "copies"), [("PreconditionFailed", True), ("NoSuchUpload", False), ("Other", False)]
)
async def test_only_a_refused_etag_shows_that_copies_are_pinned(code: str, copies: bool) -> None:
    store: Any = Store(code)
    found = await _probe(store, store, "files", source(1, 9 * MIB), UPLOAD)
    assert store.copies == 2
    assert found.copies is copies
