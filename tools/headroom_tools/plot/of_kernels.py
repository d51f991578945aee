"""Pictures of kernels: ladders, their launches, sweeps of sizes and of threads."""

from __future__ import annotations

import functools
import math
from statistics import median

from headroom_tools import stats
from headroom_tools.base.text import ladder_label, three_digits, value_of
from headroom_tools.machine.types import Machine
from headroom_tools.plot.spec import Axis, Bar, Bars, Chart, Point, Series
from headroom_tools.plot.style import BASELINE
from headroom_tools.plot.view import caches_of, series_told, usable
from headroom_tools.record.cells import of_launches
from headroom_tools.record.types import Kernel, LadderKey, ParamsKey, key_of
from headroom_tools.scale.types import Fit
from headroom_tools.show.rows import Row, best_rows


def ladders_of(rows: list[Row]) -> list[list[Row]]:
    """Rows by ladder, in their order."""
    found: dict[LadderKey, list[Row]] = {}
    for row in rows:
        found.setdefault(row.cell.ladder(), []).append(row)
    return list(found.values())


def speedup_told(row: Row) -> str:
    """`42.0x [41.0, 43.0]`, marked where it isn't resolved."""
    if row.speedup is None:
        return "-"
    text = f"{three_digits(row.speedup)}x"
    if row.lo is not None and row.hi is not None:
        text += f" [{three_digits(row.lo)}, {three_digits(row.hi)}]"
    return f"{text} {row.verdict}" if row.verdict not in (None, "faster") else text


def share_told(share: float) -> str:
    """A share of a ceiling: `0.94`, and never `0.00`."""
    return f"{share:.2f}" if share >= 0.005 else "<0.01"


def percent_told(percent: float) -> str:
    """`-0.52%`, `+33.1%`."""
    return f"{percent:+.2f}%" if abs(percent) < 9.995 else f"{percent:+,.1f}%"


def colours_of(rows: list[Row]) -> dict[str, int]:
    """A colour for each variant of a kernel, the same in all its pictures; baselines are grey."""
    found: dict[str, int] = {}
    for variant in rows[0].cell.kernel["variants"] if rows else ():
        others = sum(colour != BASELINE for colour in found.values())
        found[variant["name"]] = BASELINE if variant["role"] == "baseline" else others
    return found


def _title_of(rows: list[Row]) -> str:
    """A ladder's kernel and coordinates; with a standard rung what the best gains over both."""
    cell = rows[0].cell
    title = f"{cell.kernel['name']}, {cell.place}"
    if not cell.by_time:
        title += f", by {cell.measure_told}"
    for row in best_rows(rows):
        if row.over_standard and row.speedup:
            over = row.over_standard
            title += (f": {row.cell.variant} {three_digits(over.speedup)}x over {over.standard}, "
                      f"{three_digits(row.speedup)}x over {row.baseline}")  # fmt: skip
    return title


def ladder(rows: list[Row]) -> Bars:
    """One ladder: speedups with intervals, and how far the ceiling lets each go."""
    colours = colours_of(rows)
    base = next((row for row in rows if row.cell.is_baseline(row.baseline)), None)
    bars = []
    for row in sorted(rows, key=lambda row: row.cell.weaker):
        least = row.ceiling_per_item
        mark = None
        if least and base is not None and base.ns_per_item:
            mark = base.ns_per_item / least
        if row.impossible:
            bars.append(Bar(row.cell.name, None, None, None, "withheld: above its ceiling"))
            continue
        over = row.over_standard
        note = f"{three_digits(over.speedup)}x over {over.standard}, " if over else ""
        by = row.cell.measure["name"]
        note += f"{row.told} an item" if row.cell.by_time else f"{by} {row.marked}"
        if row.share:
            note += f", {share_told(row.share.of_ceiling)} of its ceiling"
        bars.append(Bar(row.cell.name, row.speedup, row.lo, row.hi, speedup_told(row),
                        colours[row.cell.variant], mark, note=note))  # fmt: skip
    probe = next((row.cell.probe for row in rows if row.cell.probe), None)
    words = "; ".join(f"{bar.label} {bar.told}" for bar in bars)
    of = "speedup over the baseline"
    if not rows[0].cell.by_time:
        of = f"{rows[0].cell.measure['name']}, times as good as the baseline's"
    return Bars(_title_of(rows), f"Speedups: {words}.", Axis(of, "factor", True), 1.0, bars,
                mark=f"ceiling: {probe.removeprefix('machine/')}" if probe else "")  # fmt: skip


def launches(rows: list[Row]) -> Bars:
    """How far each launch of a ladder's variants lies from their median."""
    colours = colours_of(rows)
    bars = []
    for row in rows:
        if row.impossible or row.value is None:
            continue
        base = row.cell.is_baseline(row.baseline)
        if base:  # its ratio is 1 in every launch: what was measured is shown
            sign = row.cell.cost(1.0)
            known = [value for value in of_launches(row.cell.measured) if value > 0]
            logs = [sign * math.log(row.value / value) for value in known]
        else:
            logs = of_launches(row.cell.log_ratio)
        if not logs:
            continue
        middle = median(logs)
        dots = [100 * (stats.factor_of(value - middle) - 1) for value in logs]
        dots = [min(dot, 1e6) for dot in dots]
        own = "its times" if row.cell.by_time else f"its {row.cell.measure['name']}"
        told = f"{percent_told(min(dots))} to {percent_told(max(dots))}"
        bars.append(Bar(row.cell.name, None, None, None, told, colours[row.cell.variant], dots=dots,
                        note=own if base else ""))  # fmt: skip
    words = "; ".join(f"{bar.label} {bar.told}" for bar in bars)
    kernel = rows[0].cell.kernel["name"]
    return Bars(f"{kernel}, {rows[0].cell.place}: launches{rows[0].cell.marked}",
                f"Speedups of single launches around their median: {words}.",
                Axis("launch against the median of launches", "percent", False), 0.0, bars,
                bars=False)  # fmt: skip


def dashed_beyond(series: Series, beyond: set[float]) -> list[Series]:
    """A simulated series, dashed from and to points beyond the validated range, which have these
    x."""
    if not any(point.x in beyond for point in series.points):
        return [series]
    beyond_named = f"{series.name}, beyond the validated range"
    if len(series.points) == 1:
        return [series._replace(name=beyond_named)]
    parts: list[tuple[int, list[Point]]] = []
    for one, next_ in zip(series.points, series.points[1:]):
        dash = int(one.x in beyond or next_.x in beyond)
        if parts and parts[-1][0] == dash:
            parts[-1][1].append(next_)
        else:
            parts.append((dash, [one, next_]))
    names = [series.name, beyond_named]  # each once in the legend
    return [
        series._replace(
            name=names[dash] if dash not in [other for other, _ in parts[:at]] else "",
            points=points,
            dash=dash,
        )
        for at, (dash, points) in enumerate(parts)
    ]


def _choice(row: Row) -> tuple[str, ParamsKey]:
    """Input and params of a row."""
    return row.cell.input, key_of(row.cell.params)


def sizes(rows: list[Row], machine: Machine) -> list[Chart]:
    """A kernel's time of an item, or its other measure, by size: a chart for each input and choice
    of params, on the fewest threads."""
    charts = []
    measured = [row for row in rows if row.value and not row.impossible]
    for input_, params in dict.fromkeys(map(_choice, measured)):
        own = [row for row in measured if _choice(row) == (input_, params)]
        fewest = min(row.cell.ladder_threads for row in own)
        own = [row for row in own if row.cell.ladder_threads == fewest]
        if len({row.cell.n for row in own}) < 2:
            continue
        sets = {row.cell.n: row.cell.working_set for row in own}
        in_order = [sets[n] for n in sorted(sets)]
        by_bytes = all(in_order) and all(a < b for a, b in zip(in_order, in_order[1:]))
        measure, unit = own[0].cell.measure["name"], own[0].cell.measure["unit"]
        # A hit ratio depends on how much fits, not on which cache that lies in.
        share = unit == "ratio"
        by_bytes = by_bytes and not share
        colours = colours_of(own)
        series = []
        for variant in dict.fromkeys(row.cell.variant for row in own):
            points = []
            for row in own:
                y = row.ns_per_item if row.cell.by_time else row.value
                if row.cell.variant == variant and not row.cell.beside and y is not None:
                    x = float(sets[row.cell.n] if by_bytes else row.cell.n)
                    points.append(Point(x, y, name=f"{variant} n {row.cell.n:,}: {row.told}"))
            points = usable(sorted(points))
            index = colours[variant]
            if points and own[0].cell.simulated:
                beyond = {
                    float(sets[row.cell.n] if by_bytes else row.cell.n)
                    for row in own
                    if row.cell.variant == variant and row.cell.validated is False
                }
                series += dashed_beyond(Series(variant, points, index), beyond)
            elif points:
                series.append(Series(variant, points, index, max(0, index) // 7 % 4))
        if not series:
            continue
        kernel = own[0].cell.kernel
        more = f", {input_}" if len(kernel["inputs"]) > 1 else ""
        more += ", simulated" if own[0].cell.simulated else ""
        more += "".join(f", {name} {value:,}" for name, value in params)
        what = "time of an item" if own[0].cell.by_time else measure
        axis = Axis("working set", "bytes", True) if by_bytes else Axis("n", "number", True)
        charts.append(Chart(
            f"{kernel['name']}{more}: by size",
            f"{what} by size: ".capitalize()
            + series_told(series, functools.partial(value_of, unit=unit)),
            axis, Axis(what, "ns" if unit == "ns" else "number", not share), series,
            caches_of(machine) if by_bytes else [],
        ))  # fmt: skip
    return charts


def _speedup_on(entry: Fit, threads: float) -> float | None:
    """The speedup that the fitted law gives: the Universal Scalability Law, or Amdahl's."""
    if entry["usl"]:
        contention = entry["usl"]["contention"]["value"] or 0.0
        coherence = entry["usl"]["coherence"]["value"] or 0.0
    elif entry["amdahl"]:
        contention, coherence = entry["amdahl"]["serial"]["value"] or 0.0, 0.0
    else:
        return None
    below = 1 + contention * (threads - 1) + coherence * threads * (threads - 1)
    return threads / below if below > 0 else None


def law_told(entry: Fit) -> str:
    """The fitted law in a few words."""
    if entry["usl"]:
        a = entry["usl"]["contention"]["value"] or 0.0
        b = entry["usl"]["coherence"]["value"] or 0.0
        best = f", best on {entry['predicted_best']}" if entry["predicted_best"] else ""
        return f"contention {100 * a:.3g}%, coherence {100 * b:.3g}%{best}"
    if entry["amdahl"]:
        return f"serial {100 * (entry['amdahl']['serial']['value'] or 0.0):.3g}%"
    return "no law fits"


def _sweep_key(entry: Fit) -> tuple[int, str, ParamsKey]:
    """What the sweeps of one chart have in common."""
    return entry["n"], entry["input"], key_of(entry["params"])


def threads(fits: list[Fit], kernel: Kernel) -> list[Chart]:
    """A kernel's thread sweeps: points with intervals, the fitted law dashed.

    Beyond 8 threads axes are logarithmic: what is ideal is a line there too, and the counts from 1
    to 8 don't lie on each other beside 128.
    """
    charts = []
    mine = [
        entry for entry in fits if entry["kernel"] == kernel["name"] and entry["over"] == "threads"
    ]
    variants = [variant["name"] for variant in kernel["variants"]]
    for n, input_, params in dict.fromkeys(map(_sweep_key, mine)):
        series = []
        largest = 1
        for entry in mine:
            if _sweep_key(entry) != (n, input_, params):
                continue
            points = [
                Point(float(p["threads"]), p["speedup"], p["lo"], p["hi"],
                      f"{entry['variant']} on {p['threads']}: {three_digits(p['speedup'])}x")
                for p in entry["points"] if p["speedup"]
            ]  # fmt: skip
            if not points:
                continue
            index = variants.index(entry["variant"]) - 1
            series.append(Series(f"{entry['variant']}: {law_told(entry)}", points, index, None))
            top = points[-1].x
            largest = max(largest, int(top))
            curve = [top ** (at / 24) for at in range(25)]
            values = [(x, _speedup_on(entry, x)) for x in curve]
            fitted = [Point(x, y) for x, y in values if y]
            if fitted:
                series.append(Series("", fitted, index, 1, False))
        if not series:
            continue
        many = largest > 8
        ideal = [Point(1.0, 1.0), Point(float(largest), float(largest))]
        series.append(Series("ideal", ideal, BASELINE, 2, False))
        label = ladder_label(n, input_, 1, dict(params), len(kernel["inputs"]))
        told = "; ".join(f"{s.name}, {s.points[-1].name}" for s in series if s.markers)
        charts.append(Chart(
            f"{kernel['name']}, {label}: by threads", f"Speedup over one thread: {told}.",
            Axis("threads", "count", many), Axis("speedup over one thread", "factor", many),
            series,
        ))  # fmt: skip
    return charts
