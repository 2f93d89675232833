"""Loads the fixtures of tests/harness/fixtures.py for all tests."""

import signal

import pytest

pytest_plugins = ["tests.harness.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Handle SIGTERM like Ctrl-C, so that the fixtures stop their servers."""
    del config
    signal.signal(signal.SIGTERM, signal.default_int_handler)
