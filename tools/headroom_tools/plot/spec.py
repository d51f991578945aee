"""What a picture shows, as data: drawn by `svg` and by `paper` alike."""

from __future__ import annotations

from typing import NamedTuple


class Axis(NamedTuple):
    """kind: bytes, ns, B/s, FLOP/s, factor, percent, count or number."""

    label: str
    kind: str
    log: bool


class Point(NamedTuple):
    """lo, hi: the interval of y, None without one."""

    x: float
    y: float
    lo: float | None = None
    hi: float | None = None
    name: str = ""


class Series(NamedTuple):
    """colour: counts in the style's colours. dash: counts in its dashes, None for points alone.
    markers: whether the points are drawn."""

    name: str
    points: list[Point]
    colour: int
    dash: int | None = 0
    markers: bool = True


class Chart(NamedTuple):
    """Curves and points. guides: vertical lines (x, label). labels: points named in the picture."""

    title: str
    about: str  # what it shows, for those who don't see it
    x: Axis
    y: Axis
    series: list[Series]
    guides: list[tuple[float, str]] = []
    labels: list[Point] = []


class Bar(NamedTuple):
    """A line of Bars. value: from the origin. dots: launches. mark: the ceiling. told: in
    words. note: what else there is to say, where there is room."""

    label: str
    value: float | None
    lo: float | None
    hi: float | None
    told: str
    colour: int = 0
    mark: float | None = None
    dots: list[float] = []
    note: str = ""


class Bars(NamedTuple):
    """Horizontal bars from `origin`, with intervals; or (bars=False) a strip of dots each."""

    title: str
    about: str
    axis: Axis
    origin: float
    rows: list[Bar]
    bars: bool = True
    mark: str = ""
