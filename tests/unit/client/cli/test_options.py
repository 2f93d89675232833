"""Connection options before and after the command."""

import pytest

from wherry_client.cli.options import DEFAULT_URL, GlobalOptions
from wherry_client.cli.session import Connection

BEFORE = GlobalOptions(url="http://before", token="before", tenant="before")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (GlobalOptions(), (None, None, None), Connection(DEFAULT_URL, None, None)),
        (BEFORE, (None, None, None), Connection("http://before", "before", "before")),
        (BEFORE, ("http://after", None, "after"), Connection("http://after", "before", "after")),
        (BEFORE, (None, "", None), Connection("http://before", "", "before")),
    ],
)
def test_options_after_the_command_take_precedence(
    before: GlobalOptions, after: tuple[str | None, str | None, str | None], expected: Connection
) -> None:
    assert before.connection(*after) == expected
