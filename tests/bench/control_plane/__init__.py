"""Cost of a job apart from its bytes, with a real API server and runners as processes."""

import tests.harness  # noqa: F401  it puts hack/ on the path
