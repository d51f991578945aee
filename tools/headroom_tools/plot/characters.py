"""Pictures of characters, for a terminal: curves by letters, bars by blocks."""

from __future__ import annotations

import math
import string

from headroom_tools.base.text import safe
from headroom_tools.plot import style
from headroom_tools.plot.layout import bar_limits, limits_of
from headroom_tools.plot.spec import Axis, Bars, Chart

WIDTH, HEIGHT = 64, 16  # characters of the picture itself
LETTERS = string.ascii_lowercase + string.ascii_uppercase
SEVERAL = "*"  # where curves meet


def _place(value: float, axis: Axis, limits: tuple[float, float], cells: int) -> int:
    """Which of `cells` a figure falls into."""
    lo, hi = limits
    value = min(max(value, lo), hi)
    if axis.log:
        share = math.log(value / lo) / math.log(hi / lo)
    else:
        share = (value - lo) / (hi - lo)
    return min(cells - 1, int(share * cells))


def _ticks(axis: Axis, limits: tuple[float, float], most: int) -> list[float]:
    if axis.log:
        return style.log_ticks(*limits, axis.kind, most)
    return style.linear_ticks(*limits, axis.kind, most)


def drawn(picture: Chart | Bars) -> str:
    """The picture as lines of text that no record can reach beyond."""
    return _chart(picture) if isinstance(picture, Chart) else _bars(picture)


def _chart(chart: Chart) -> str:
    x_limits, y_limits = limits_of(chart)
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    named = [series for series in chart.series if series.name and series.markers]
    for letter, series in zip(LETTERS, named):
        for point in series.points:
            column = _place(point.x, chart.x, x_limits, WIDTH)
            row = HEIGHT - 1 - _place(point.y, chart.y, y_limits, HEIGHT)
            there = grid[row][column]
            grid[row][column] = letter if there in (" ", letter) else SEVERAL
    labels = {
        HEIGHT - 1 - _place(tick, chart.y, y_limits, HEIGHT): style.tick(tick, chart.y.kind)
        for tick in _ticks(chart.y, y_limits, 5)
    }
    margin = max(map(len, labels.values()), default=0)
    lines = [safe(chart.title, 200), safe(chart.y.label, 60)]
    lines += [
        f"{labels.get(at, ''):>{margin}} |{''.join(row)}".rstrip() for at, row in enumerate(grid)
    ]
    below = [" "] * (WIDTH + 12)
    free = 0
    for tick in _ticks(chart.x, x_limits, 6):
        text = style.tick(tick, chart.x.kind)
        column = max(0, _place(tick, chart.x, x_limits, WIDTH) - len(text) // 2)
        if column >= free and column + len(text) <= len(below):
            below[column:column + len(text)] = text
            free = column + len(text) + 1
    lines.append(f"{' ' * margin} +{'-' * WIDTH}")
    lines.append(f"{' ' * margin}  {''.join(below)}".rstrip())
    lines.append(f"{' ' * margin}  {safe(chart.x.label, 60)}")
    lines += [f"  {letter}  {safe(series.name, 100)}" for letter, series in zip(LETTERS, named)]
    if len(named) > len(LETTERS):
        lines.append(f"  and {len(named) - len(LETTERS)} more, not drawn")
    if any(SEVERAL in row for row in grid):
        lines.append(f"  {SEVERAL}  several of them")
    return "\n".join(lines)


def _bars(bars: Bars) -> str:
    limits = bar_limits(bars)
    width = 40
    origin = _place(bars.origin, bars.axis, limits, width)
    margin = max((len(safe(row.label, 60)) for row in bars.rows), default=0)
    lines = [safe(bars.title, 200)]
    for row in bars.rows:
        cells = [" "] * width
        if bars.bars and row.value is not None:
            end = _place(row.value, bars.axis, limits, width)
            for at in range(min(origin, end), max(origin, end) + 1):
                cells[at] = "#"
        for dot in row.dots:
            cells[_place(dot, bars.axis, limits, width)] = "|"
        lines.append(f"{safe(row.label, 60):>{margin}} {''.join(cells)} {safe(row.told, 100)}")
    return "\n".join([*lines, f"{' ' * margin} {safe(bars.axis.label, 100)}"])
