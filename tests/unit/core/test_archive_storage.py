import pytest

from wherry_core.archive_storage import archive_key, is_result_of
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
