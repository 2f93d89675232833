from wherry_jobrunner.archive.store.objects import head_of


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
