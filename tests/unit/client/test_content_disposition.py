"""File names that a server proposes."""

import pytest

from wherry_client.content_disposition import proposed_name, safe_name


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("attachment", None),
        ("attachment; filename=\"a b.zip\"; filename*=UTF-8''%C3%A4%20b.zip", "ä b.zip"),
        ('attachment; filename="a \\"b\\".zip"', "a _b_.zip"),
        ("attachment; filename=plain.zip", "plain.zip"),
        ("attachment; filename*=UTF-8''%2e%2e%2fetc%2fpasswd", "passwd"),
        ('attachment; filename=".."', None),
    ],
)
def test_proposed_name(header: str | None, expected: str | None) -> None:
    assert proposed_name(header) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.zip", "x.zip"),
        (".bashrc", "bashrc"),
        ("a\x1b[2J.zip", "a_[2J.zip"),
        ("NUL.zip", "_NUL.zip"),
        ("", None),
        ("...", None),
    ],
)
def test_a_name_never_leaves_the_folder(name: str, expected: str | None) -> None:
    assert safe_name(name) == expected


def test_a_long_name_keeps_its_suffix() -> None:
    name = safe_name("ä" * 200 + ".zip")
    assert name is not None
    assert name.endswith("ä.zip")
    assert len(name.encode()) <= 200
