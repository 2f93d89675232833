import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from wherry_core.archive_deletion import abort_uploads
from wherry_core.archive_keys import archive_folder, archive_key, is_result_of
from wherry_core.settings import StoreSettings

STORE = StoreSettings.model_validate(
    {"WHERRY_SOURCE_BUCKET": "files", "WHERRY_ARCHIVE_BUCKET": "archives"}
)
SHARED = StoreSettings.model_validate(
    {"WHERRY_SOURCE_BUCKET": "one", "WHERRY_ARCHIVE_BUCKET": "one"}
)


@pytest.mark.parametrize(
    ("bucket", "key", "allowed"),
    [
        ("archives", archive_key(STORE, "team-a", "u1", 2, "x.zip"), True),
        ("archives", archive_key(STORE, "team-a", "u2", 2, "x.zip"), False),
        ("archives", archive_key(STORE, "team-b", "u1", 2, "x.zip"), False),
        ("archives", "other/x.zip", False),
        ("files", "files/70000", True),
        ("secrets", "files/70000", False),
    ],
)
def test_only_a_job_s_own_result_is_handed_out(bucket: str, key: str, allowed: bool) -> None:
    assert is_result_of(STORE, "team-a", "u1", bucket, key) is allowed


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("archives/team-a/u1/1/x.zip", True),
        ("archives/team-b/u9/1/x.zip", False),
        ("files/70000", True),
        ("files/../archives/team-b/u9/1/x.zip", False),
        ("files/%2e%2e/archives/team-b/u9/1/x.zip", False),
        ("files\\..\\archives\\team-b\\u9\\1\\x.zip", False),
        ("./archives/team-b/u9/1/x.zip", False),
        ("/archives/team-b/u9/1/x.zip", False),
        ("files//70000", True),
        ("files/100%.txt", True),
        ("files/%25252e%25252e/archives/team-b/u9/1/x.zip", False),
        ("archives/team-a/u1/../../team-b/u9/1/x.zip", False),
        ("", False),
    ],
)
def test_one_bucket_for_sources_and_archives(key: str, allowed: bool) -> None:
    assert is_result_of(SHARED, "team-a", "u1", "one", key) is allowed


class Uploads:
    """An S3 client with two open uploads, of which others have aborted the first one meanwhile."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.aborted: list[str] = []

    def get_paginator(self, _: str) -> "Uploads":
        return self

    async def paginate(self, **_: str) -> AsyncIterator[dict[str, Any]]:
        await asyncio.sleep(0)
        key = archive_key(STORE, "team-a", "u1", 1, "x.zip")
        yield {"Uploads": [{"Key": key, "UploadId": each} for each in ("first", "second")]}

    async def abort_multipart_upload(self, **request: str) -> None:
        await asyncio.sleep(0)
        if request["UploadId"] == "first":
            raise ClientError({"Error": {"Code": self.code}}, "AbortMultipartUpload")
        self.aborted.append(request["UploadId"])


async def test_an_upload_that_somebody_else_aborts_meanwhile_does_not_stop_the_deletion() -> None:
    store = Uploads("NoSuchUpload")
    assert await abort_uploads(store, STORE, archive_folder(STORE, "team-a", "u1")) == 1
    assert store.aborted == ["second"]


async def test_an_upload_that_may_not_be_aborted_is_an_error() -> None:
    with pytest.raises(ClientError):
        await abort_uploads(Uploads("AccessDenied"), STORE, archive_folder(STORE, "team-a", "u1"))
