"""File ids from arguments, files and the standard input."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from wherry_client.client import FileId
from wherry_client.errors import BadArgumentError

STANDARD_INPUT = "-"


def gather(arguments: Sequence[str], files: Sequence[Path]) -> list[FileId]:
    """Return all ids in their order; ``-`` among either stands for the standard input.

    Raises BadArgumentError when there is none or a file cannot be read.
    """
    ids: list[FileId] = []
    for argument in arguments:
        ids += parse(_read_input(), "the input") if argument == STANDARD_INPUT else [argument]
    for file in files:
        text = _read_input() if str(file) == STANDARD_INPUT else _read(file)
        ids += parse(text, str(file))
    if not ids:
        raise BadArgumentError(
            "There are no file ids: give them as arguments, in a file with --from, or through a "
            "pipe with '-'."
        )
    return ids


def parse(text: str, source: str) -> list[FileId]:
    """Return the ids of a text: one a line, or a JSON array of numbers and strings.

    Raises BadArgumentError that names the element at fault.
    """
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        elements = json.loads(text)
    except ValueError as error:
        raise BadArgumentError(f"{source} is not a JSON array: {error}.") from None
    for index, element in enumerate(elements):
        # A bool is an int in Python, so the type is compared and not tested with isinstance.
        if type(element) not in {int, str}:
            raise BadArgumentError(
                f"Element {index} of the array in {source} is no id: an id is a whole number or a "
                "string."
            )
    return list(elements)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadArgumentError(f"The ids cannot be read from {file}: {reason}.") from None


def _read_input() -> str:
    return sys.stdin.read()
