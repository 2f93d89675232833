"""Compute the table of docs/performance.md from the bursts."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLUMNS = ("api", "kube-apiserver", "etcd", "client")


@dataclass(frozen=True)
class Figures:
    """One burst."""

    per_second: float
    p50: float
    p99: float
    largest: float
    failures: int
    cpu: dict[str, float]
    """CPU seconds per 1,000 requests, by process."""


def figures(
    delays: Sequence[float], seconds: float, failures: int, cpu: dict[str, float]
) -> Figures:
    """Return the results of a burst whose responses took ``delays``, in seconds."""
    quantiles = statistics.quantiles(delays, n=100)
    return Figures(
        per_second=len(delays) / seconds,
        p50=quantiles[49] * 1000,
        p99=quantiles[98] * 1000,
        largest=max(delays) * 1000,
        failures=failures,
        cpu={name: used * 1000 / len(delays) for name, used in cpu.items()},
    )


def middle(bursts: Sequence[Figures]) -> Figures:
    """Return the burst whose p99 is the median: a whole one, not a mixture of several."""
    return sorted(bursts, key=lambda each: each.p99)[(len(bursts) - 1) // 2]


def table(rows: Mapping[str, Sequence[Figures]]) -> str:
    """Return the Markdown table."""
    heads = ["a second", "p50", "p99", "p99 of all bursts", "largest"]
    heads += [f"CPU s: {name}" for name in COLUMNS]
    lines = [
        "| bursts | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for name, bursts in rows.items():
        seen = middle(bursts)
        failures = sum(each.failures for each in bursts)
        p99s = sorted(each.p99 for each in bursts)
        cells = [
            f"{name} (**{failures} failed**)" if failures else name,
            f"{seen.per_second:,.0f}",
            f"{seen.p50:.0f} ms",
            f"{seen.p99:.0f} ms",
            f"{p99s[0]:.0f} to {p99s[-1]:.0f} ms",
            f"{seen.largest:.0f} ms",
            *(f"{seen.cpu.get(each, 0):.2f}" for each in COLUMNS),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
