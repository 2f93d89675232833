"""The results as the tables of docs/performance.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20
LARGE_FILE: Final = 16 * MIB
"""Bytes from which a file counts as large: a store that copies ranges copies nearly all of it."""
PEAK_GOAL_MIB: Final = 256


@dataclass(frozen=True)
class Run:
    """One run of one way."""

    store: str
    link: str
    files: str
    count: int
    size: int
    way: str
    seconds: float
    cpu: float
    """CPU seconds of the client."""
    store_cpu: float
    """CPU seconds of the store and the proxy in front of it."""
    peak_mib: float

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return self.count * self.size


def best(runs: Sequence[Run]) -> Run:
    """Return one run with the smallest value of each measurement, but the largest peak."""
    fastest = min(runs, key=lambda run: run.seconds)
    return Run(
        **{
            **vars(fastest),
            "cpu": min(run.cpu for run in runs),
            "store_cpu": min(run.store_cpu for run in runs),
            "peak_mib": max(run.peak_mib for run in runs),
        }
    )


def table(runs: Iterable[Run]) -> str:
    """Return a row for every run."""
    columns = ["store", "link", "files", "way", "seconds", "MiB/s"]
    lines = _head([*columns, "client CPU s per GiB", "store CPU s per GiB", "peak MiB"])
    for run in runs:
        gib = run.total / (1 << 30)
        lines.append(
            f"| {run.store} | {run.link} | {run.files} | {run.way} | {run.seconds:.2f} "
            f"| {run.total / MIB / run.seconds:.0f} | {run.cpu / gib:.2f} "
            f"| {run.store_cpu / gib:.2f} | {run.peak_mib:.0f} |"
        )
    return "\n".join(lines)


def goals(runs: Sequence[Run]) -> str:
    """Return the goals and the measured values."""
    columns = ["store", "link", "files", "streaming / floor (at most 1.3)"]
    columns += ["script / streaming (at least 3)", "streaming / copying, large files (at least 5)"]
    lines = _head([*columns, "peak MiB (under 256)"])
    cases = dict.fromkeys((run.store, run.link, run.files) for run in runs)
    for case in cases:
        here = {run.way: run for run in runs if (run.store, run.link, run.files) == case}
        ours = [here[way].peak_mib for way in ("stream", "copy") if way in here]
        large = all(run.size >= LARGE_FILE for run in here.values())
        cells = [
            _ratio(here, "stream", "floor", most=1.3),
            _ratio(here, "script", "stream", least=3),
            _ratio(here, "stream", "copy", least=5) if large else "",
            _marked(max(ours), "{:.0f}", max(ours) < PEAK_GOAL_MIB) if ours else "",
        ]
        lines.append("| " + " | ".join((*case, *cells)) + " |")
    return "\n".join(lines)


def _head(columns: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def _ratio(
    here: dict[str, Run], above: str, below: str, *, most: float = 1e9, least: float = 0
) -> str:
    if above not in here or below not in here:
        return ""
    ratio = here[above].seconds / here[below].seconds
    return _marked(ratio, "{:.2f}", least <= ratio <= most)


def _marked(value: float, form: str, met: bool) -> str:
    shown = form.format(value)
    return shown if met else f"**{shown}**"
