"""Read file ids from arguments, files and the standard input."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wherry_client.client import FileId
from wherry_client.errors import BadArgumentError

STANDARD_INPUT: Final = "-"
FLAG_VALUES: Final = frozenset({"true", "false"})


def gather(arguments: Sequence[str], files: Sequence[Path]) -> list[FileId]:
    """Return all ids in order; ``-`` among arguments or files reads the standard input.

    Raises BadArgumentError when there are none or a file cannot be read.
    """
    ids: list[FileId] = []
    for argument in arguments:
        if argument.lower() in FLAG_VALUES:
            raise BadArgumentError(
                f"{argument!r} would be a file id: flags such as --wait take no value. Leave it "
                "out. If it is an id, read it from a file with --from."
            )
        ids += parse(_read_input(), "the input") if argument == STANDARD_INPUT else [argument]
    for file in files:
        text = _read_input() if str(file) == STANDARD_INPUT else _read(file)
        ids += parse(text, str(file))
    if not ids:
        raise BadArgumentError(
            "There are no file ids. Give them as arguments, in a file with --from, or through a "
            "pipe with '-'."
        )
    return ids


def parse(text: str, source: str) -> list[FileId]:
    """Return the ids in ``text``: one a line, or a JSON array of numbers and strings.

    Raises BadArgumentError, which names ``source`` and the element at fault.
    """
    text = text.removeprefix("\ufeff").strip()
    if _starts_with_json_object(text):
        raise BadArgumentError(
            f"{source} contains a JSON object, not file ids. Give one id a line or a JSON array: "
            "select the ids with jq, as in jq '[.items[].id]'."
        )
    if not text.startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        elements = json.loads(text)
    except ValueError as error:
        raise BadArgumentError(f"{source} is not a valid JSON array: {error}.") from None
    for index, element in enumerate(elements):
        # Compare the type: isinstance would accept a bool as an int.
        if type(element) not in {int, str}:
            raise BadArgumentError(
                f"Element {index} of the array in {source} is not an id. An id is a whole number "
                "or a string."
            )
    return list(elements)


def _starts_with_json_object(text: str) -> bool:
    """Return whether ``text`` begins with a JSON object; an id may well begin with a brace."""
    if not text.startswith("{"):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except ValueError:
        return False
    return True


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadArgumentError(f"Cannot read ids from {file}: {reason}.") from None


def _read_input() -> str:
    return sys.stdin.read()
