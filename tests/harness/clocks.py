"""A process whose clock is off, as on a node without NTP."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent / "wrong_clock.c"


@cache
def _library() -> Path:
    """Compile the library, once for each process. Raises RuntimeError without a compiler."""
    library = Path(tempfile.mkdtemp(prefix="wherry-clock-")) / "wrong_clock.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RuntimeError("No C compiler. Run: apt-get install gcc libc6-dev") from None
    if done.returncode != 0:
        raise RuntimeError(f"{SOURCE.name} does not compile: {done.stderr}")
    return library


def clock_environment(seconds: int) -> dict[str, str]:
    """Return variables that set a process's clock off by ``seconds``; negative: it is slow."""
    return {"LD_PRELOAD": str(_library()), "WRONG_CLOCK_SECONDS": str(seconds)}
