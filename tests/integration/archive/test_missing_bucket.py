"""A bucket that does not exist has an error of its own: it is not a missing file."""

import pytest

from tests.integration.archive.conftest import Bench
from wherry_core.resources.download_job import OnMissing
from wherry_jobrunner.archive import ArchiveError


@pytest.mark.parametrize("on_missing", OnMissing)
@pytest.mark.parametrize("ids", [["x"], ["x", "y"]])
async def test_no_source_bucket(bench: Bench, ids: list[str], on_missing: OnMissing) -> None:
    bench.settings = bench.settings.model_copy(update={"source_bucket": "not-there"})
    with pytest.raises(ArchiveError, match="WHERRY_SOURCE_BUCKET") as failed:
        await bench.bundle(ids, on_missing=on_missing)
    assert (failed.value.reason, failed.value.retryable) == ("NoSuchBucket", False)


async def test_a_bucket_without_the_files(bench: Bench) -> None:
    with pytest.raises(ArchiveError, match="2 files were not found") as failed:
        await bench.bundle(["x", "y"], on_missing=OnMissing.MANIFEST)
    assert failed.value.reason == "FilesNotFound"
