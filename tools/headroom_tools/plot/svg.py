"""Pictures for a page: small SVG that takes its colours from the page's style sheet."""

from __future__ import annotations

import math
from html import escape

from headroom_tools.plot import style
from headroom_tools.plot.layout import bar_limits, limits_of
from headroom_tools.plot.spec import Axis, Bar, Bars, Chart

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 16, 44
_BAR = 1000  # units that a bar's picture is wide; it is stretched
_CHARACTER = 6.2  # units that a letter of a label takes


def _css(index: int) -> str:
    if index == style.BASELINE:
        return "cb"
    return "cl" if index == style.LIMIT else f"c{index % len(style.COLOURS)}"


class _Scale:
    """From figures to units of the picture."""

    def __init__(self, axis: Axis, limits: tuple[float, float], start: float, end: float):
        self.lo, self.hi = limits
        self._log, self._start, self._end = axis.log, start, end

    def __call__(self, value: float) -> float:
        value = min(max(value, self.lo), self.hi)
        if self._log:
            share = math.log(value / self.lo) / math.log(self.hi / self.lo)
        else:
            share = (value - self.lo) / (self.hi - self.lo)
        return self._start + share * (self._end - self._start)


def _ticks(axis: Axis, lo: float, hi: float, most: int) -> list[float]:
    if axis.log:
        return style.log_ticks(lo, hi, axis.kind, most)
    return style.linear_ticks(lo, hi, axis.kind, most)


def chart(picture: Chart, number: int) -> str:
    """A chart as SVG. number: makes its ids its own on the page."""
    limits = limits_of(picture)
    x = _Scale(picture.x, limits[0], LEFT, WIDTH - RIGHT)
    y = _Scale(picture.y, limits[1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="t{number} d{number}">'
        f'<title id="t{number}">{escape(picture.title)}</title>'
        f'<desc id="d{number}">{escape(picture.about[:1500])}</desc>'
    ]
    grid, bottom = [], HEIGHT - BOTTOM
    for tick in _ticks(picture.x, *limits[0], 5):
        at = f"{x(tick):.1f}"
        grid.append(f"M{at} {TOP}V{bottom}")
        parts.append(f'<text class="m" x="{at}" y="{bottom + 15}">'
                     f"{escape(style.tick(tick, picture.x.kind))}</text>")  # fmt: skip
    for tick in _ticks(picture.y, *limits[1], 6):
        at = y(tick)
        grid.append(f"M{LEFT} {at:.1f}H{WIDTH - RIGHT}")
        parts.append(f'<text class="r" x="{LEFT - 5}" y="{at + 4:.1f}">'
                     f"{escape(style.tick(tick, picture.y.kind))}</text>")  # fmt: skip
    parts.append(f'<path class="g" d="{"".join(grid)}"/>')
    parts.append(f'<text class="m" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}">'
                 f"{escape(picture.x.label)}</text>")  # fmt: skip
    for where, label in picture.guides:
        if limits[0][0] < where < limits[0][1]:
            at = f"{x(where):.1f}"
            parts.append(f'<path class="gu" d="M{at} {TOP}V{bottom}"/>'
                         f'<text class="s" x="{x(where) + 3:.1f}" y="{TOP + 8}">'
                         f"{escape(label)}</text>")  # fmt: skip
    for series in picture.series:
        parts.append(_series(series, x, y))
    parts += _labels(picture, x, y)
    return "".join(parts) + "</svg>"


def _series(series, x: _Scale, y: _Scale) -> str:
    css, parts = _css(series.colour), []
    places = [(x(p.x), y(p.y), p) for p in series.points]
    if series.dash is not None and len(places) > 1:
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b, _ in places)
        parts.append(f'<path class="l {css} d{series.dash}" d="{path}"/>')
    bounds = "".join(
        f"M{a:.1f} {y(p.lo):.1f}V{y(p.hi):.1f}" for a, _, p in places if p.lo is not None
    )
    if bounds:
        parts.append(f'<path class="l {css}" d="{bounds}"/>')
    for a, b, p in places if series.markers else ():
        parts.append(f'<circle class="p {css}" cx="{a:.1f}" cy="{b:.1f}" r="3">'
                     f"<title>{escape(p.name)}</title></circle>")  # fmt: skip
    return "".join(parts)


def _labels(picture: Chart, x: _Scale, y: _Scale) -> list[str]:
    """Names beside their points; one that would lie on another is left out."""
    parts, taken = [], []
    for point in picture.labels:
        a, b = x(point.x) + 5, y(point.y) - 4
        width = _CHARACTER * len(point.name)
        a = min(a, WIDTH - width)
        if b < TOP or any(a < c + w and c < a + width and abs(b - d) < 11 for c, d, w in taken):
            continue
        taken.append((a, b, width))
        parts.append(f'<text class="s" x="{a:.1f}" y="{b:.1f}">{escape(point.name)}</text>')
    return parts


def legend(picture: Chart) -> str:
    """The names of the series, each with its line."""
    parts = []
    for series in picture.series:
        if not series.name:
            continue
        css = _css(series.colour)
        line = "" if series.dash is None else f'<path class="l {css} d{series.dash}" d="M0 6H26"/>'
        dot = f'<circle class="p {css}" cx="13" cy="6" r="3"/>' if series.markers else ""
        parts.append(f'<li><svg width="26" height="12" aria-hidden="true">{line}{dot}</svg> '
                     f"{escape(series.name)}</li>")  # fmt: skip
    return f'<ul class="legend">{"".join(parts)}</ul>'


def figure(picture: Chart, number: int) -> str:
    """A chart with its title and legend."""
    return (f'<figure><figcaption>{escape(picture.title)}</figcaption><p class="ylabel">'
            f"{escape(picture.y.label)}</p>{chart(picture, number)}{legend(picture)}"
            "</figure>")  # fmt: skip


def _bar(bars: Bars, row: Bar, scale: _Scale, grid: str) -> str:
    css, origin = _css(row.colour), scale(bars.origin)
    parts = [f'<path class="g" d="{grid}"/><path class="z" d="M{origin:.0f} 0V12"/>']
    if bars.bars and row.value is not None:
        parts.append(f'<path class="b {css}" d="M{origin:.0f} 2H{scale(row.value):.0f}V10'
                     f'H{origin:.0f}z"/>')  # fmt: skip
        if row.lo is not None:
            parts.append(f'<path class="e" d="M{scale(row.lo):.0f} 6H{scale(row.hi):.0f}"/>')
    if row.mark is not None:
        parts.append(f'<path class="k" d="M{scale(row.mark):.0f} 0V12"/>')
    if row.dots:
        dots = "".join(f"M{scale(dot):.0f} 1v10" for dot in row.dots)
        parts.append(f'<path class="t {css}" d="{dots}"/>')
    return (f'<svg class="bar" viewBox="0 0 {_BAR} 12" preserveAspectRatio="none" '
            f'aria-hidden="true">{"".join(parts)}</svg>')  # fmt: skip


def _breakable(name: str) -> str:
    """A name that a narrow page breaks behind an underscore rather than anywhere."""
    return escape(name).replace("_", "_<wbr>")


def _tick(axis: Axis, tick: float, percent: float, at: int, of: int) -> str:
    """The label of a tick: within the picture at its edges, and every other one where it's narrow."""
    anchor = "" if percent < 8 else "r" if percent > 92 else "m"
    classes = f"{anchor} o" if of > 3 and at % 2 else anchor
    label = escape(style.tick(tick, axis.kind))
    return f'<text class="{classes.strip()}" x="{percent:.1f}%" y="11">{label}</text>'


def table(bars: Bars, caption: str) -> str:
    """Bars as a table: label, bar, words. It reads well without the pictures, too."""
    limits = bar_limits(bars)
    scale = _Scale(bars.axis, limits, 4, _BAR - 4)
    ticks = _ticks(bars.axis, *limits, 5)
    grid = "".join(f"M{scale(tick):.0f} 0V12" for tick in ticks)
    rows = [
        f'<tr><th scope="row">{_breakable(row.label)}</th><td class="pic">'
        f'{_bar(bars, row, scale, grid)}</td><td>{escape(row.told)}'
        + (f' <span class="dim">{escape(row.note)}</span>' if row.note else "") + "</td></tr>"
        for row in bars.rows
    ]  # fmt: skip
    places = "".join(_tick(bars.axis, tick, 100 * scale(tick) / _BAR, at, len(ticks))
                     for at, tick in enumerate(ticks))  # fmt: skip
    mark = f'<span class="mark">{escape(bars.mark)}</span>' if bars.mark else ""
    return (
        f'<table class="bars"><caption>{escape(caption)} {mark}</caption><thead class="unseen"><tr>'
        f'<th scope="col">variant</th><th scope="col">picture</th><th scope="col">'
        f'{escape(bars.axis.label)}</th></tr></thead><tbody>{"".join(rows)}'
        f'</tbody><tfoot aria-hidden="true"><tr><td></td><td class="pic"><svg class="ticks" '
        f'height="14">{places}</svg></td><td class="dim">{escape(bars.axis.label)}</td></tr>'
        "</tfoot></table>"
    )

