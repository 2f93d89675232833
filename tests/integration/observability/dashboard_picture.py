"""Draws the dashboard's panels from data of Prometheus, as an SVG for the docs.

Grafana's drawing has more detail; titles, positions, queries and values are the same.
"""

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from tests.integration.observability.prometheus import Prometheus, Series

COLUMN, LINE, GAP = 50, 30, 6
WIDTH: Final = 24 * COLUMN
COLOURS: Final = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff")
POINTS: Final = 90
UNITS: Final = {"s": " s", "Bps": " B/s", "bytes": " B", "percentunit": " %"}


async def draw(prometheus: Prometheus, panels: list[dict[str, Any]], namespace: str) -> str:
    """Return a drawing of all panels over the whole run."""
    height = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels) * LINE
    size = f"0 0 {WIDTH} {height + GAP}"
    fonts = 'font-family="Helvetica,Arial,sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" {fonts}>',
        f'<rect width="{WIDTH}" height="{height + GAP}" fill="#111217"/>',
    ]
    for panel in panels:
        lines: list[tuple[str, Series]] = []
        for query in panel.get("targets", []):
            expr = query["expr"].replace("$namespace", namespace)
            expr = expr.replace("$__rate_interval", "10s")
            found = await prometheus.since_start(expr, step=1)
            lines += [(_legend(query["legendFormat"], series), series) for series in found]
        parts.extend(_panel(panel, lines))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(pattern: str, series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), pattern)


def _panel(panel: dict[str, Any], lines: list[tuple[str, Series]]) -> Iterator[str]:
    place = panel["gridPos"]
    x, y = place["x"] * COLUMN + GAP, place["y"] * LINE + GAP
    width, height = place["w"] * COLUMN - GAP, place["h"] * LINE - GAP
    title = html.escape(panel["title"])
    if panel["type"] == "row":
        yield _text(x, y + 16, title, "#d8d9da", size=14)
        return
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#181b1f" rx="3"/>'
    yield _text(x + 8, y + 17, title, "#d8d9da", size=12)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "stat":
        last = _number(lines[0][1].last, unit) if lines else "no data"
        yield _text(x + width / 2, y + 72, last, "#73bf69", size=34, anchor="middle")
        return
    yield from _graph(lines, unit, (x + 52, y + 28, width - 62, height - 62))
    column = x + 8.0
    for index, (legend, _) in enumerate(lines[:7]):
        shown = html.escape(legend[:22])
        yield _text(column, y + height - 8, f"● {shown}", COLOURS[index % len(COLOURS)], size=10)
        column += 18 + 5.6 * len(shown)
        if column > x + width - 60:
            break


def _graph(
    lines: list[tuple[str, Series]], unit: str, box: tuple[float, float, float, float]
) -> Iterator[str]:
    x, y, width, height = box
    points = [point for _, series in lines for point in series.values]
    if not points:
        yield _text(x + width / 2, y + height / 2, "no data", "#8e8e8e", anchor="middle")
        return
    first, last = min(when for when, _ in points), max(when for when, _ in points)
    top = max(value for _, value in points) or 1.0
    for share in (0.0, 0.5, 1.0):
        level = y + height * (1 - share)
        yield f'<path d="M{x} {level:.0f}h{width}" stroke="#2c3235"/>'
        yield _text(x - 5, level + 4, _number(top * share, unit), "#8e8e8e", size=10, anchor="end")
    for index, (_, series) in enumerate(lines[:7]):
        step = max(1, len(series.values) // POINTS)
        path = " ".join(
            f"{x + width * (when - first) / ((last - first) or 1):.0f},"
            f"{y + height * (1 - value / top):.0f}"
            for when, value in series.values[::step]
        )
        colour = COLOURS[index % len(COLOURS)]
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        value *= 100
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if unit in {"bytes", "Bps"} and value >= size:
            return f"{value / size:.3g}{letter}{UNITS[unit].strip()}"
    return f"{value:.3g}{UNITS.get(unit, '')}"


def _text(
    x: float, y: float, text: str, colour: str, *, size: int = 11, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" font-size="{size}" '
        f'text-anchor="{anchor}">{text}</text>'
    )
