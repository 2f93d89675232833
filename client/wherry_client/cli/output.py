"""The two outputs of a command: data on the standard output, messages on the standard error."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from wherry_client.cli.exit_status import Failure
from wherry_client.cli.formatting import plain


class Output:
    """Writes data to the standard output and messages to the standard error."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def is_interactive(self) -> bool:
        """Whether a person reads the standard output."""
        return self.out.is_terminal and not self.as_json

    def data(self, line: str) -> None:
        """Write one line of data and flush it, for a program that reads the pipe."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def document(self, document: Mapping[str, Any]) -> None:
        """Write a JSON document on one line."""
        self.data(json.dumps(document, ensure_ascii=False))

    def message(self, sentence: str) -> None:
        """Write a sentence to the standard error."""
        self.err.print(Text(plain(sentence)))

    def hint(self, words: str, command: str = "") -> None:
        """Write what to do next to the standard error."""
        self.err.print(Text.assemble((plain(words), "dim"), (plain(command), "cyan")))

    def failure(self, failure: Failure) -> None:
        """Write why a command failed, and what to do."""
        self.err.print(Text.assemble(("Error: ", "bold red"), plain(failure.sentence)))
        for detail in failure.details:
            self.message(f"  {detail}")
        if failure.hint:
            self.hint(failure.hint)
