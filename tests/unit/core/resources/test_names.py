import re

import pytest

from wherry_core.resources.names import label_value

LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("short", "short"),
        ("a" * 63, "a" * 63),
        ("a" * 253, "a" * 63),
        ("a" * 62 + "-b", "a" * 62),
        ("a" * 60 + ".-.b", "a" * 60),
        ("", ""),
    ],
)
def test_a_label_value_is_valid_wherever_it_is_cut(text: str, value: str) -> None:
    assert label_value(text) == value
    assert LABEL_VALUE.fullmatch(label_value(text))
