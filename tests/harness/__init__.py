"""Real servers and processes for tests, on loopback, without a node.

``fixtures.py`` has the pytest fixtures; the other modules can be used without pytest.
"""
