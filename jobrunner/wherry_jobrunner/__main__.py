"""``wherry-jobrunner``: handles signals from its first moment, then starts the runner.

The first process of a container ignores a signal that it has no handler for. The imports of the
runner take a second, in which a pod that is deleted at once would miss its SIGTERM.
"""

import os
import signal
from types import FrameType


def exit_at_once(number: int, frame: FrameType | None) -> None:
    """End the process: nothing has been taken yet that would have to be given back."""
    del number, frame
    os._exit(0)


def main() -> None:
    """Run the runner and end the process with its exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, exit_at_once)
    from wherry_jobrunner import runner

    runner.main()


if __name__ == "__main__":
    main()
