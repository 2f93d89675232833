"""The first test on a machine without helm builds it, which takes minutes."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the chart's tests the time to build helm."""
    for item in items:
        if "tests/unit/chart/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(1200))
