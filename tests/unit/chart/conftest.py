"""Longer timeouts for the chart's tests: the first one may have to build helm."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set a timeout that is long enough to build helm."""
    for item in items:
        if "tests/unit/chart/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(1200))
