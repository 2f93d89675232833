import pytest

from wherry_jobrunner.archive.store.head_cache import _decode, _encode
from wherry_jobrunner.archive.store.objects import ObjectHead

HEAD = ObjectHead(3, '"etag"', 1_000, 7, "aa")


def test_heads_survive_the_cache() -> None:
    assert _decode(_encode(HEAD).decode()) == HEAD


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[1]",
        '["3", "etag", 1000, null, null]',
        '[3, "etag", 1000, null, null, 5]',
        # An empty object, as releases before 0.2 kept it: no read would show that it is stale.
        '[0, "etag", 1000, null, null]',
    ],
)
def test_what_cannot_be_used_is_asked_of_the_store(text: str | None) -> None:
    assert _decode(text) is None
