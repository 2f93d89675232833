"""When a watch ends because it hears nothing."""

import pytest

from wherry_client.watch import WatchOptions, gives_up

OPTIONS = WatchOptions(patience=300, first_tries=3)


@pytest.mark.parametrize(
    ("reached", "failures", "unheard", "expected"),
    [
        (False, 1, 1, False),
        (False, 3, 1, True),
        (True, 1_000, 299, False),
        (True, 1, 301, True),
        (False, 1, 301, True),
    ],
)
def test_gives_up(reached: bool, failures: int, unheard: float, expected: bool) -> None:
    assert gives_up(OPTIONS, reached=reached, failures=failures, unheard=unheard) is expected
