import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.jobrunner.archive.sources import source
from wherry_jobrunner.archive.interface import ArchiveError
from wherry_jobrunner.archive.store.objects import ObjectHead
from wherry_jobrunner.archive.store.requests import StoredPart, for_each
from wherry_jobrunner.archive.transfer.verification import confirm_sources, expected_etag

EMPTY = source(1, 0)


class Heads:
    """Requests that know the heads of some objects."""

    def __init__(self, *heads: ObjectHead | None) -> None:
        self._heads = list(heads)

    async def head(self, bucket: str, key: str) -> ObjectHead | None:
        assert bucket == "bucket"
        await asyncio.sleep(0)
        return self._heads.pop(0)


def head(**changes: Any) -> ObjectHead:
    return replace(ObjectHead(EMPTY.size, EMPTY.etag, EMPTY.modified, None, None), **changes)


async def test_an_unchanged_object_is_confirmed_however_its_etag_is_quoted() -> None:
    requests: Any = Heads(head(), head(etag=EMPTY.etag.strip('"')))
    await confirm_sources(requests, "bucket", [EMPTY, EMPTY], 1)


@pytest.mark.parametrize("found", [None, head(etag='"other"'), head(size=23_000)])
async def test_an_object_that_is_another_one_or_gone_fails_the_attempt(
    found: ObjectHead | None,
) -> None:
    requests: Any = Heads(found)
    with pytest.raises(ArchiveError) as failed:
        await confirm_sources(requests, "bucket", [EMPTY], 8)
    assert (failed.value.reason, failed.value.retryable) == ("SourceChanged", True)


async def test_work_is_done_side_by_side_up_to_the_bound_and_the_first_error_counts() -> None:
    running = most = 0
    done: list[int] = []

    async def work(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        if item == 7:
            raise ValueError("seven")
        done.append(item)

    await for_each(range(6), work, 3)
    assert sorted(done) == list(range(6))
    assert most == 3
    with pytest.raises(ValueError, match="seven"):
        await for_each(range(100), work, 2)
    assert len(done) < 20


def test_the_etag_of_a_multipart_object_needs_md5_sums_of_all_parts() -> None:
    md5 = "0cc175b9c0f1b6a831c399e269772661"
    part = StoredPart(1, f'"{md5}"', 1, None)
    assert expected_etag({1: part}) == "b6ff9a06b7e20bcb2858c5b8ff744aea-1"
    assert expected_etag({1: part, 2: replace(part, number=2, etag='"not md5"')}) is None
