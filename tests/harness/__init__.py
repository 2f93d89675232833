"""Real servers and processes for tests, on loopback, without a node.

``fixtures.py`` has the pytest fixtures; the other modules can be used without pytest.
"""

import sys
from pathlib import Path

# pytest does this by its own setting; ``python -m tests.harness.process_node`` needs it as well.
_HACK = str(Path(__file__).resolve().parents[2] / "hack")
if _HACK not in sys.path:
    sys.path.append(_HACK)
