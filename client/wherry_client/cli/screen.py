"""The two outputs of a command: data to the standard output, talk to the standard error."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from wherry_client.cli.endings import Ending
from wherry_client.cli.words import plain


class Screen:
    """Where a command writes."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False, soft_wrap=True)
        self.talk = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def for_a_person(self) -> bool:
        """Whether someone looks at the standard output."""
        return self.out.is_terminal and not self.as_json

    def data(self, line: str) -> None:
        """Write one line of data at once, for whoever reads the pipe."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def document(self, document: Mapping[str, Any]) -> None:
        """Write a JSON document on one line."""
        self.data(json.dumps(document, ensure_ascii=False))

    def say(self, sentence: str, style: str = "") -> None:
        """Tell a person something."""
        self.talk.print(Text(plain(sentence), style=style))

    def hint(self, words: str, command: str = "") -> None:
        """Tell a person what to do next."""
        self.talk.print(Text.assemble((plain(words), "dim"), (plain(command), "cyan")))

    def end(self, ending: Ending) -> None:
        """Tell why a command failed."""
        self.talk.print(Text.assemble(("Error: ", "bold red"), plain(ending.sentence)))
        for detail in ending.details:
            self.say(f"  {detail}")
        if ending.hint:
            self.hint(ending.hint)
