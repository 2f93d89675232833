"""Points at which tests end the process, to show that nothing is lost by it."""

import os
import signal
from typing import Final

VARIABLE: Final = "WHERRY_FAULT_POINT"
"""``<name>`` or ``<name>:<number>``: the process kills itself when it reaches the point the
number-th time (the first, when left out). Several names, by commas, count together. For tests
only."""

TOLD: Final = "killed itself at the fault point"

_names, _, _number = os.environ.get(VARIABLE, "").partition(":")
_points = frozenset(_names.split(","))
_left = int(_number or 1)


def reach(name: str) -> None:
    """Kill the process with SIGKILL if the environment names this point."""
    global _left
    if name not in _points:
        return
    _left -= 1
    if _left == 0:
        # Not by the logger: nothing may be buffered now.
        os.write(2, f"{TOLD} {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
