"""Steps with progress: what is going on, how long it took, and what to do if it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import say


@contextmanager
def step(name: str, *, advice: str = "") -> Iterator[None]:
    """One step of `up`. What is done inside must be safe to do again.

    A failure names the step, and adds the advice to what the failing part says itself.
    """
    began = time.monotonic()
    say.line(f"{name} …")
    try:
        yield
    except say.SetupError as error:
        sentence = f"{name}: {error.sentence}"
        if advice:
            sentence = f"{sentence}\n{advice}"
        raise say.SetupError(sentence, log=error.log) from error
    say.line(f"{name} … done in {say.duration(time.monotonic() - began)}")
