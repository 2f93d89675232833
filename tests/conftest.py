"""Makes the fixtures of tests/harness/fixtures.py known to all tests."""

import signal

import pytest

pytest_plugins = ["tests.harness.fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """End as on Ctrl-C when asked to end, so that no server of the fixtures stays behind."""
    del config
    signal.signal(signal.SIGTERM, signal.default_int_handler)
