"""Read file ids from arguments, files and a pipe."""

import io
from pathlib import Path

import pytest

from wherry_client.cli.file_ids import gather, parse
from wherry_client.errors import BadArgumentError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n2\n\n 3 \r\n", ["1", "2", "3"]),
        ("with a space\n", ["with a space"]),
        ("\ufeff1\n", ["1"]),
        ('[1, "a b", 3]', [1, "a b", 3]),
        ("", []),
        ("[]", []),
        ("{0c5b1a44}\n{0c5b1a45}\n", ["{0c5b1a44}", "{0c5b1a45}"]),
    ],
)
def test_parse(text: str, expected: list[int | str]) -> None:
    assert parse(text, "ids.txt") == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [("[1, null]", "Element 1"), ("[true]", "Element 0"), ("[1.5]", "Element 0"), ("[1", "JSON")],
)
def test_an_invalid_array_is_named(text: str, named: str) -> None:
    with pytest.raises(BadArgumentError, match=named):
        parse(text, "ids.txt")


def test_arguments_files_and_a_pipe_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("3\n4\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("2\n"))
    assert gather(["1", "-"], [file]) == ["1", "2", "3", "4"]


def test_missing_ids_and_unreadable_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentError, match="no file ids"):
        gather([], [])
    with pytest.raises(BadArgumentError, match="No such file"):
        gather([], [tmp_path / "none.txt"])
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BadArgumentError, match="UTF-8"):
        gather([], [tmp_path / "binary"])


@pytest.mark.parametrize("text", ['{"a": 1}', ' {"a":\n 1}\n', '{"a":1}\n{"a":2}\n'])
def test_a_json_object_is_not_taken_for_ids(text: str) -> None:
    with pytest.raises(BadArgumentError, match="JSON object"):
        parse(text, "the input")


@pytest.mark.parametrize("value", ["true", "False"])
def test_the_value_of_a_flag_is_not_taken_for_an_id(value: str) -> None:
    with pytest.raises(BadArgumentError, match="flags such as --wait"):
        gather(["70000", value], [])
