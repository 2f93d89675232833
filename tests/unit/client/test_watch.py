"""When a watch ends because the server does not answer."""

import pytest

from wherry_client.watch import WatchOptions, is_exhausted

OPTIONS = WatchOptions(patience=300, first_tries=3)


@pytest.mark.parametrize(
    ("reached", "failures", "silent_seconds", "expected"),
    [
        (False, 1, 1, False),
        (False, 3, 1, True),
        (True, 1_000, 299, False),
        (True, 1, 301, True),
        (False, 1, 301, True),
    ],
)
def test_is_exhausted(reached: bool, failures: int, silent_seconds: float, expected: bool) -> None:
    exhausted = is_exhausted(
        OPTIONS, reached=reached, failures=failures, silent_seconds=silent_seconds
    )
    assert exhausted is expected
