import hashlib

import pytest

from wherry_api.auth.api_keys import check, make_key, parse


def test_a_new_key_is_accepted() -> None:
    key, line = make_key("team-a")
    found = check(parse(line), key)
    assert found is not None
    assert found[1].tenant == "team-a"
    assert hashlib.sha256(key.encode()).hexdigest() in line
    assert key not in line


@pytest.mark.parametrize("change", ["x", " ", "\n", ""])
def test_any_other_key_is_refused(change: str) -> None:
    key, line = make_key("team-a")
    other = key[:-1] + change
    assert check(parse(line), other) is None
    assert check({}, key) is None


def test_comments_and_empty_lines_are_ignored() -> None:
    _, line = make_key("a")
    assert len(parse(f"# keys\n\n  {line}  \n")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id tenant", "line 1"),
        (f"id Tenant {'0' * 64}", "line 1"),
        (f"id a {'0' * 64}\nid b {'1' * 64}", "line 2 repeats"),
    ],
)
def test_a_bad_line_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)
