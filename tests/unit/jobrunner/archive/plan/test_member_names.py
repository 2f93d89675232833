import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_jobrunner.archive.plan.member_names import fold, folders, safe_name, unique_names


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("a/b/c.txt", "a/b/c.txt"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("C:\\Windows\\x", "C__Windows_x"),
        ("..\\..\\x", ".._.._x"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("a/lpt1.log", "a/_lpt1.log"),
        ("COM¹", "_COM¹"),
        ("console.txt", "console.txt"),
        ("ends.", "ends_"),
        ("ends ", "ends_"),
        ("tab\tnull\x00", "tab_null_"),
        ("invoice\u202egpj.exe", "invoice_gpj.exe"),
        ("e\u0301", "é"),
        ("", "file"),
        ("...", "___"),
        ("/", "file"),
        ("👩\u200d🚀.png", "👩\u200d🚀.png"),
        ("\ud800", "_"),
        (".hidden", ".hidden"),
    ],
)
def test_names_are_made_safe(given_name: str, safe: str) -> None:
    assert safe_name(given_name) == safe


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_name("ü" * 300 + ".jpeg")
    assert name.endswith("ü.jpeg")
    assert len(name.encode()) <= 240


@given(st.text(max_size=400))
def test_every_name_is_safe_everywhere_and_stays_the_same(text: str) -> None:
    name = safe_name(text)
    assert name == unicodedata.normalize("NFC", name)
    assert safe_name(name) == name
    assert not name.startswith("/")
    for segment in name.split("/"):
        assert segment not in {"", ".", ".."}
        assert len(segment.encode()) <= 255
        assert not segment.endswith((" ", "."))
        assert not re.search(r'[\x00-\x1f\x7f<>:"|?*\\]', segment)
        assert not re.match(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", segment)


@pytest.mark.parametrize(
    ("names", "unique"),
    [
        (["a.txt", "A.TXT", "a.txt"], ["a.txt", "A (2).TXT", "a (3).txt"]),
        (["manifest.json"], ["manifest (2).json"]),
        (["a", "a/b"], ["a (2)", "a/b"]),
        (["a (2)", "a", "a"], ["a (2)", "a", "a (3)"]),
        (["straße", "STRASSE"], ["straße", "STRASSE (2)"]),
        (["d/x", "d/X"], ["d/x", "d/X (2)"]),
    ],
)
def test_later_names_that_collide_get_a_number(names: list[str], unique: list[str]) -> None:
    assert unique_names(names, taken=["manifest.json"]) == unique


@given(st.lists(st.text(alphabet="aAbB./ é", max_size=6), max_size=40))
def test_names_are_distinct_whatever_the_case(names: list[str]) -> None:
    unique = unique_names(names)
    folded = [fold(name) for name in unique]
    assert len(set(folded)) == len(names)
    above = {fold(folder) for name in unique for folder in folders(name)}
    assert not above & set(folded)


def test_ten_thousand_equal_names_are_told_apart() -> None:
    assert len(set(unique_names(["same.txt"] * 10_000))) == 10_000
