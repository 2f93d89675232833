import pytest

from wherry_jobrunner.archive.object_heads import head_of
from wherry_jobrunner.archive.store_address import proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.mark.parametrize(
    ("environment", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"https_proxy": "http://proxy:3128"}, "https", "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "http", None),
        ({"all_proxy": "http://proxy:3128"}, "http", "http://proxy:3128"),
        ({"http_proxy": "proxy:3128"}, "http", "http://proxy:3128"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "store.internal"}, "http", None),
        ({"http_proxy": "http://proxy:3128", "no_proxy": ".internal,other"}, "http", None),
        (
            {"http_proxy": "http://proxy:3128", "no_proxy": "other"},
            "http",
            "http://proxy:3128",
        ),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    environment: dict[str, str],
    scheme: str,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(scheme, "store.internal:9000") == expected


def test_a_head_without_etag_or_size_tells_nothing() -> None:
    assert head_of({"ETag": '"a"'}) is None
    assert head_of({"Content-Length": "3"}) is None


def test_a_checksum_of_checksums_is_not_taken_for_that_of_the_bytes() -> None:
    headers = {"ETag": '"a"', "Content-Length": "3", "x-amz-checksum-crc32": "NSRBwg=="}
    whole = head_of(headers)
    composite = head_of(headers | {"x-amz-checksum-type": "COMPOSITE"})
    assert whole is not None
    assert composite is not None
    assert (whole.crc32, composite.crc32) == (0x352441C2, None)
