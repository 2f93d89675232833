"""Steps of `up`, with progress, duration and advice after a failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import say


@contextmanager
def step(name: str, *, advice: str = "") -> Iterator[None]:
    """Run the block as one step of `up`. The block must be idempotent.

    Adds the step's name and the advice to the message of a SetupError.
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
