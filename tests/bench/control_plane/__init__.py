"""What a job costs beyond its bytes: through the real API server, with runners as processes."""

import tests.harness  # noqa: F401  it puts hack/ on the path
