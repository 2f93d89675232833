from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry_api.services.presigning import content_disposition


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.zip", "attachment; filename=\"a.zip\"; filename*=UTF-8''a.zip"),
        ("ä b.zip", "attachment; filename=\"_ b.zip\"; filename*=UTF-8''%C3%A4%20b.zip"),
        ('x";y.zip', "attachment; filename=\"x_;y.zip\"; filename*=UTF-8''x%22%3By.zip"),
        ("a\\b%20", "attachment; filename=\"a_b_20\"; filename*=UTF-8''a%5Cb%2520"),
    ],
)
def test_examples(name: str, header: str) -> None:
    assert content_disposition(name) == header


@given(st.text(min_size=1, max_size=50).filter(lambda name: name.isprintable()))
def test_any_name_stays_inside_its_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert unquote(header.partition("UTF-8''")[2]) == name
