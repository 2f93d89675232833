"""Makes the fixtures of tests/harness/fixtures.py known to all tests."""

pytest_plugins = ["tests.harness.fixtures"]
