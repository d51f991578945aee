"""How far the axes of a picture reach, however it is drawn."""

from __future__ import annotations

import math

from headroom_tools.plot.spec import Axis, Bars, Chart


def limits_of(chart: Chart) -> tuple[tuple[float, float], tuple[float, float]]:
    """The limits of x and y, with some air."""
    points = [point for series in chart.series for point in series.points]
    xs = [point.x for point in points]
    ys = [value for p in points for value in (p.y, p.lo, p.hi) if value is not None]
    ys = [value for value in ys if value > 0 or not chart.y.log]
    return _limits(chart.x, xs), _limits(chart.y, ys, zero=True)


def _limits(axis: Axis, values: list[float], zero: bool = False) -> tuple[float, float]:
    lo, hi = min(values), max(values)
    if axis.log:
        air = max(1.25, (hi / lo) ** 0.06) if hi / lo < 1e200 else 10.0
        return lo / air, hi * air
    lo = min(0.0, lo) if zero else lo
    air = 0.06 * (hi - lo) or 1.0
    return (lo if zero and lo == 0 else lo - air), hi + air


def bar_limits(bars: Bars) -> tuple[float, float]:
    """The limits of the axis of bars."""
    values = [bars.origin]
    for row in bars.rows:
        values += [v for v in (row.value, row.lo, row.hi, row.mark, *row.dots) if v is not None]
    if not bars.axis.log:
        reach = max(1.0, *(abs(value - bars.origin) for value in values)) * 1.08
        if bars.bars and min(values) >= bars.origin:
            return bars.origin, bars.origin + reach
        return bars.origin - reach, bars.origin + reach
    values = [value for value in values if value > 0 and math.isfinite(value)]
    lo, hi = min(values), max(values)
    lo, hi = min(lo, bars.origin / 1.02), max(hi, bars.origin * 1.5)
    air = (hi / lo) ** 0.03
    return (lo / air if lo < bars.origin / 1.02 else lo), hi * air
