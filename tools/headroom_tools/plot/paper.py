"""Pictures for documents, by matplotlib: SVG, PDF or PNG."""

from __future__ import annotations

import io
import math
import os
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Sequence

from headroom_tools.base import paths
from headroom_tools.base.errors import HeadroomError
from headroom_tools.plot import style
from headroom_tools.plot.layout import bar_limits, limits_of
from headroom_tools.plot.spec import Axis, Bars, Chart

FORMATS = ("svg", "png", "pdf")
SIDE_BY_SIDE = 6.0  # inches, from which two charts fit
WIDTH = 7.2  # inches: a page's text
_DASHES = {"solid": "-", "dashed": "--", "dotted": ":", "dashdot": "-."}
_STYLE = {
    "font.size": 8, "axes.titlesize": 9, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555",
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True,
    "legend.fontsize": 7, "legend.handlelength": 2.8, "legend.frameon": False,
    "lines.linewidth": 1.4, "svg.fonttype": "none",
    "svg.hashsalt": "headroom", "pdf.fonttype": 42, "figure.constrained_layout.use": True,
    "text.parse_math": False,
}  # fmt: skip


def _matplotlib() -> Any:
    """matplotlib, with its cache inside the checkout. HeadroomError where there is none."""
    if "MPLCONFIGDIR" not in os.environ:
        folder = paths.root() / "build" / "matplotlib"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            folder = Path(tempfile.gettempdir())
        os.environ["MPLCONFIGDIR"] = str(folder)
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise HeadroomError(
            "plot needs the Python package matplotlib: apt install python3-matplotlib, or make plot"
        ) from None
    return matplotlib


def _axis(axes: Any, which: str, axis: Axis, lo: float, hi: float) -> None:
    """Scale, limits, ticks and label of x or y."""
    names = ("scale", "lim", "ticks", "label")
    set_ = {name: getattr(axes, f"set_{which}{name}") for name in names}
    if axis.log:
        set_["scale"]("log", base=2 if axis.kind in ("bytes", "count") else 10)
    ticks = (style.log_ticks if axis.log else style.linear_ticks)(lo, hi, axis.kind)
    set_["lim"](lo, hi)
    set_["ticks"](ticks, [style.tick(tick, axis.kind) for tick in ticks])
    set_["ticks"]([], minor=True)
    set_["label"](axis.label)


def _fitting(title: str, inches: float) -> str:
    """A title of 9 point on as many lines as it needs."""
    return "\n".join(textwrap.wrap(title, max(20, int(inches * 12.5)), break_on_hyphens=False))


def _chart(axes: Any, chart: Chart) -> None:
    x_limits, y_limits = limits_of(chart)
    for series in chart.series:
        dash = None if series.dash is None else _DASHES[style.DASHES[series.dash]]
        xs, ys = [p.x for p in series.points], [p.y for p in series.points]
        marker = "o" if series.markers else ""
        axes.plot(xs, ys, linestyle=dash or "", marker=marker, markersize=3.5,
                  color=style.colour(series.colour), label=series.name or "_")  # fmt: skip
        with_bounds = [p for p in series.points if p.lo is not None]
        if with_bounds:
            axes.vlines([p.x for p in with_bounds], [p.lo for p in with_bounds],
                        [p.hi for p in with_bounds], color=style.colour(series.colour),
                        linewidth=1.0)  # fmt: skip
    _axis(axes, "x", chart.x, *x_limits)
    _axis(axes, "y", chart.y, *y_limits)
    for x, label in chart.guides:
        if x_limits[0] < x < x_limits[1]:
            axes.axvline(x, color="#999999", linewidth=0.8, linestyle=":")
            axes.annotate(label, (x, 1), xycoords=("data", "axes fraction"), xytext=(2, -8),
                          textcoords="offset points", fontsize=7, color="#555555")  # fmt: skip
    placed: list[tuple[float, float]] = []
    for point in chart.labels:
        at = axes.transData.transform((point.x, point.y))
        if any(abs(at[0] - x) < 120 and abs(at[1] - y) < 12 for x, y in placed):
            continue
        placed.append((at[0], at[1]))
        axes.annotate(point.name, (point.x, point.y), xytext=(4, 2), textcoords="offset points",
                      fontsize=6.5)  # fmt: skip
    inches = axes.get_figure().get_figwidth() / axes.get_subplotspec().get_gridspec().ncols
    axes.set_title(_fitting(chart.title, inches - 0.6))
    ncols = 2 if inches >= 4.5 else 1
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=ncols)


def _bars(axes: Any, bars: Bars) -> None:
    lo, hi = bar_limits(bars)
    for at, row in enumerate(bars.rows):
        colour = style.colour(row.colour)
        if bars.bars and row.value is not None:
            value = max(row.value, lo)
            axes.barh(at, value - bars.origin, left=bars.origin, height=0.62, color=colour,
                      alpha=0.75)  # fmt: skip
            if row.lo is not None:
                axes.hlines(at, max(row.lo, lo), row.hi, color="black", linewidth=1.1)
        if row.mark is not None:
            axes.vlines(row.mark, at - 0.42, at + 0.42, color="#b30000", linewidth=1.6)
        if row.dots:
            axes.plot(row.dots, [at] * len(row.dots), "|", color=colour, markersize=8)
        axes.annotate(row.told, (1.01, at), xycoords=("axes fraction", "data"), fontsize=7,
                      verticalalignment="center", annotation_clip=False)  # fmt: skip
    axes.axvline(bars.origin, color="#555555", linewidth=0.8)
    axes.set_yticks(range(len(bars.rows)), [row.label for row in bars.rows])
    axes.set_ylim(len(bars.rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    _axis(axes, "x", bars.axis, lo, hi)
    title = f"{bars.title}   | {bars.mark}" if bars.mark else bars.title
    # Above the labels too: between them and what is told, a narrow picture has little room.
    axes.annotate(_fitting(title, axes.get_figure().get_figwidth() - 0.2), (0, 1),
                  xycoords=("figure fraction", "axes fraction"), xytext=(6, 6),
                  textcoords="offset points", fontsize=9, fontweight="bold",
                  annotation_clip=False)  # fmt: skip


def _thinned(axes: Any) -> None:
    """Leaves out the names of ticks of x that would lie over the one before."""
    kept, right = [], -math.inf
    for tick, label in zip(axes.get_xticks(), axes.get_xticklabels()):
        box = label.get_window_extent()
        if box.x0 > right + 3:
            kept.append((tick, label.get_text()))
            right = box.x1
    axes.set_xticks([tick for tick, _ in kept], [text for _, text in kept])


def drawn(panels: Sequence[Chart | Bars], suffix: str, wide: float | None = None) -> bytes:
    """All panels on one page, as a file of one of FORMATS. wide: in inches, so that a document
    need not scale it, and labels keep their size."""
    matplotlib = _matplotlib()
    charts = [panel for panel in panels if isinstance(panel, Chart)]
    bars = [panel for panel in panels if isinstance(panel, Bars)]
    with matplotlib.rc_context(_STYLE):
        if charts:
            across = 2 if len(charts) > 1 and (wide or WIDTH) >= SIDE_BY_SIDE else 1
            down = math.ceil(len(charts) / across)
            width = wide or (WIDTH if across == 1 else 1.45 * WIDTH)
            height = (3.7 if across == 2 else 4.6) * down
            if wide and across == 1:
                height = max(3.2, 4.6 * wide / WIDTH) * down
            figure = matplotlib.figure.Figure(figsize=(width, height))
            grid = figure.subplots(down, across, squeeze=False)
            for at, axes in enumerate(grid.flat):
                if at < len(charts):
                    _chart(axes, charts[at])
                else:
                    axes.set_axis_off()
        else:
            rows = [len(panel.rows) + 2.2 for panel in bars]
            figure = matplotlib.figure.Figure(figsize=(wide or WIDTH, 0.4 + 0.24 * sum(rows)))
            grid = figure.subplots(len(bars), 1, squeeze=False, height_ratios=rows)
            for axes, panel in zip(grid.flat, bars):
                _bars(axes, panel)
        figure.draw_without_rendering()
        for axes in figure.axes:
            _thinned(axes)
        out = io.BytesIO()
        metadata = {"svg": {"Date": None, "Creator": "headroom plot"},
                    "pdf": {"CreationDate": None, "Creator": "headroom plot", "Producer": None},
                    "png": {"Software": "headroom plot"}}[suffix]  # fmt: skip
        figure.savefig(out, format=suffix, dpi=160, metadata=metadata)
    return out.getvalue()
