"""Periodic progress lines during long operations."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import say


@contextmanager
def heartbeat(what: str, every: float = 25.0) -> Iterator[None]:
    """Print periodically that `what` is still running, and for how long."""
    began = time.monotonic()
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every):
            say.line(f"still {what}, {say.duration(time.monotonic() - began)}")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
