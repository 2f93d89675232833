import pytest

from wherry_core.percent_decoding import decoded_forms


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("plain", ["plain"]),
        ("", [""]),
        ("%2e", ["%2e", "."]),
        ("%252e", ["%252e", "%2e", "."]),
        ("%2525252e", ["%2525252e", "%25252e", "%252e", "%2e"]),
        ("100%", ["100%"]),
    ],
)
def test_the_forms_of_a_text(text: str, forms: list[str]) -> None:
    assert list(decoded_forms(text)) == forms
