"""The span of an attempt, around all that the runner does for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wherry_core import tracing
from wherry_core.resources import DownloadJob
from wherry_jobrunner.completion import Outcome


@contextmanager
def traced_attempt(
    job: DownloadJob, runner: str, began: int
) -> Iterator[Callable[[Outcome], None]]:
    """Trace an attempt whose claim began at ``began`` (nanoseconds since 1970).

    Yields what takes the attempt's outcome.
    """
    if not tracing.on():
        yield lambda _: None
        return
    claimed, metadata = time.time_ns(), job.metadata
    with tracing.span(
        "attempt",
        parent=tracing.of_job(metadata.uid, metadata.annotations),
        started=began,
        attributes={
            "wherry.job": job.key,
            "wherry.attempt": job.status.attempt,
            "wherry.runner": runner,
        },
    ) as span:
        tracing.record("claim", started=began, ended=claimed)

        def ended(outcome: Outcome) -> None:
            if span is not None:
                span.set_attribute("wherry.outcome", outcome.value)
                if outcome in {Outcome.FAILED, Outcome.GAVE_UP}:
                    tracing.mark_failed(span, outcome.value)

        yield ended
