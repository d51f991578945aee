"""Which pictures there are, made from runs."""

from __future__ import annotations

import functools
import math
import re
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Callable, NamedTuple

from headroom_tools import stats
from headroom_tools.base.errors import HeadroomError
from headroom_tools.base.text import (
    ladder_label,
    rate_of,
    safe,
    size,
    three_digits,
    time_of,
    value_of,
)
from headroom_tools.compare.sides import Side
from headroom_tools.compare.tables import factor as ratio_of, interval as interval_of
from headroom_tools.compare.types import Comparison
from headroom_tools.machine.types import Machine
from headroom_tools.plot.spec import Axis, Bar, Bars, Chart, Point, Series
from headroom_tools.plot.style import BASELINE, LIMIT
from headroom_tools.record.cells import of_launches
from headroom_tools.record.types import Kernel, LadderKey, ParamsKey, Run, key_of
from headroom_tools.record.validate import load
from headroom_tools.scale.laws import fits
from headroom_tools.scale.types import Fit
from headroom_tools.show import probes as probes_
from headroom_tools.show.probes import Probe
from headroom_tools.show.rows import Row, best_rows, rows_of

_BANDWIDTHS = (("read", "machine/read"), ("write", "machine/write"), ("copy", "machine/copy"),
               ("triad", "machine/triad"))  # fmt: skip
_LATENCIES = (
    ("latency, huge pages", "machine/latency", "huge_pages"),
    ("latency, 4 KiB pages", "machine/latency", "small_pages"),
    ("misses together", "machine/miss_throughput", "huge_pages"),
)
ROLES = ("baseline", "optimized", "peer", "standard")
LABELS = 12  # points of the roofline that are named in it


class View:
    """A run, and what pictures need of it, computed once. probes_from: the run that has them."""

    def __init__(self, run: Run, machine: Machine, probes_run: Run | None = None):
        self.run, self.machine = run, machine
        self.rows = rows_of(run)
        own = probes_.probes_of(run)
        self.probes: list[Probe] = own or (probes_.probes_of(probes_run) if probes_run else [])
        self.probes_from = run["name"] if own or not probes_run else probes_run["name"]
        self._fits: list[Fit] | None = None

    @property
    def claims(self) -> list[Row]:
        """The rows of what is no probe and no placebo, and was measured."""
        return [
            row for row in self.rows
            if not (row.cell.kernel["probe"] or row.cell.kernel["placebo"]) and row.value
        ]  # fmt: skip

    @property
    def fits(self) -> list[Fit]:
        """`scale`'s fits."""
        if self._fits is None:
            self._fits = fits(self.run, self.machine)
        return self._fits


def view_of(folder: Path) -> View:
    """The run in `folder`; where it measured no probes, those of its machine's newest run."""
    run, machine = load(folder)
    if any(kernel.get("unit") for kernel in run["kernels"]):
        return View(run, machine)
    other = probes_.newest_of(run["machine"])
    return View(run, machine, load(other)[0] if other else None)


def caches_of(machine: Machine) -> list[tuple[float, str]]:
    """(bytes, name) of the data caches."""
    found = {}
    for cache in machine["cpu"]["caches"]:
        if cache["bytes"] and (cache["kind"] or "").lower() != "instruction":
            found[cache["level"]] = (float(cache["bytes"]), f"L{cache['level']}")
    return [found[level] for level in sorted(found, key=lambda level: level or 0)]


def _point(probe: Probe) -> Point:
    value = probes_.value_of(probe)
    return Point(float(probe.n), probe.value, probe.lo, probe.hi, f"{size(probe.n)}: {value}")


def _usable(points: list[Point]) -> list[Point]:
    return [p for p in points if p.x > 0 and p.y > 0 and math.isfinite(p.x) and math.isfinite(p.y)]


def memory(view: View) -> list[Chart]:
    """The memory mountain: bandwidth and latency against working set."""
    name = safe(view.run["machine"])
    by_probe: dict[tuple[str, str, int], list[Probe]] = defaultdict(list)
    for probe in view.probes:
        by_probe[probe.probe, probe.input, probe.threads].append(probe)
    series: list[Series] = []
    counts = sorted({p.threads for p in view.probes if p.probe in dict(_BANDWIDTHS).values()})
    for dash, threads in enumerate((counts[:1] + counts[-1:])[: len(counts)]):
        for index, (words, name_) in enumerate(_BANDWIDTHS):
            points = _usable([_point(p) for p in by_probe.get((name_, "default", threads), [])])
            on = "1 thread" if threads == 1 else f"{threads} threads"
            if points:
                series.append(Series(f"{words}, {on}", sorted(points), index, dash))
    charts = []
    set_ = Axis("working set", "bytes", True)
    guides = caches_of(view.machine)
    if series:
        charts.append(Chart(
            f"{name}: bandwidth", "Memory bandwidth against working set: " + _told(series, rate_of),
            set_, Axis("bandwidth", "B/s", True), series, guides,
        ))  # fmt: skip
    series = []
    for index, (words, name_, input_) in enumerate(_LATENCIES):
        points = _usable([_point(p) for p in by_probe.get((name_, input_, 1), [])])
        if points:
            series.append(Series(words, sorted(points), index))
    if series:
        charts.append(Chart(
            f"{name}: latency", "Time of a load against working set: " + _told(series, time_of),
            set_, Axis("time of a load", "ns", True), series, guides,
        ))  # fmt: skip
    return charts


def _told(series: list[Series], told: Callable[[float], str]) -> str:
    """Each series from its first to its last point, in words."""
    parts = [f"{s.name} from {told(s.points[0].y)} to {told(s.points[-1].y)}" for s in series]
    return "; ".join(parts) + "."


class Roof(NamedTuple):
    """A limit of the roofline: bandwidth (B/s) or, with `peak`, FLOP/s."""

    name: str
    value: float
    peak: bool
    threads: int


class _Work(NamedTuple):
    """A row that does floating-point work. flops: a second."""

    row: Row
    intensity: float
    flops: float


def roofs_of(view: View) -> list[Roof]:
    """The machine's ceilings: read bandwidth by level, multiply-adds by type and threads."""
    found = []
    counts = sorted({p.threads for p in view.probes if p.probe in ("machine/fma", "machine/read")})
    for threads in counts[:1] + counts[-1:][: len(counts) - 1]:
        for probe in view.probes:
            if probe.threads != threads or not probe.value > 0:
                continue
            if probe.probe == "machine/read":
                level = probes_.level_of(probe.n, threads, view.machine)
                found.append(Roof(f"{level} {rate_of(probe.value)}", probe.value, False, threads))
            elif probe.probe == "machine/fma":
                told = probes_.value_of(probe)
                found.append(Roof(f"{probe.input} {told}", probe.value, True, threads))
    return found


def roofline(view: View) -> list[Chart]:
    """Every variant that does floating-point work, under what the machine's probes leave."""
    roofs = roofs_of(view)
    peaks = [roof.value for roof in roofs if roof.peak]
    slopes = [roof.value for roof in roofs if not roof.peak]
    works = [
        _Work(row, row.intensity, row.flops_per_second)
        for row in view.claims
        if row.intensity and row.flops_per_second and not row.impossible
    ]
    if not (peaks and slopes):
        return []
    ridge = max(peaks) / min(slopes)
    xs = [work.intensity for work in works]
    lo = min([*xs, min(peaks) / max(slopes)]) / 16  # room for the names of the roofs
    hi = max([*xs, ridge]) * 2
    if not (0 < lo < hi < math.inf) or hi / lo > 1e12:
        return []
    series: list[Series] = []
    labels: list[Point] = []
    for roof in roofs:
        top = max((p.value for p in roofs if p.peak and p.threads == roof.threads), default=None)
        if top is None:
            continue
        first = roof.threads == min(r.threads for r in roofs)
        if roof.peak:
            ends = [(lo, roof.value), (hi, roof.value)]
        else:
            corner = min(max(top / roof.value, lo), hi)
            ends = [(lo, min(top, lo * roof.value)), (corner, min(top, corner * roof.value))]
        on = "1 thread" if roof.threads == 1 else f"{roof.threads} threads"
        points = [Point(x, y, name=f"{roof.name}, {on}") for x, y in ends]
        name = f"limits of {on}"
        name = "" if name in {one.name for one in series} else name
        series.append(Series(name, points, LIMIT, 0 if first else 1, False))
        # Slopes lie close together: how they are drawn tells the threads.
        labels.append(points[0] if roof.peak else points[0]._replace(name=roof.name))
    for at, role in enumerate(ROLES):
        points = [
            Point(work.intensity, work.flops, name=_full_name(work.row))
            for work in works if work.row.cell.role == role
        ]  # fmt: skip
        if points:
            series.append(Series(role, _usable(points), BASELINE if at == 0 else at - 1, None))
    best: dict[str, _Work] = {}
    for work in works:
        kernel = work.row.cell.kernel["name"]
        if kernel not in best or work.flops > best[kernel].flops:
            best[kernel] = work
    named = sorted(best.items(), key=lambda item: -item[1].flops)[:LABELS]
    labels = [Point(work.intensity, work.flops, name=kernel) for kernel, work in named] + labels
    about = f"Roofline of {len(works)} variants: arithmetic intensity against operations a second."
    return [Chart(
        f"{safe(view.run['machine'])} · {safe(view.run['label'])}: roofline", about,
        Axis("FLOP a byte that has to move", "number", True), Axis("FLOP/s", "FLOP/s", True),
        series, [], labels,
    )]  # fmt: skip


def _full_name(row: Row) -> str:
    return f"{row.cell.kernel['name']}/{row.cell.variant} {row.cell.label}"


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
    title = f"{cell.kernel['name']}, {cell.label}"
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
        note += f"{row.told} an item" if row.cell.by_time else f"{by} {row.told}"
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
    return Bars(f"{kernel}, {rows[0].cell.label}: launches",
                f"Speedups of single launches around their median: {words}.",
                Axis("launch against the median of launches", "percent", False), 0.0, bars,
                bars=False)  # fmt: skip


def _choice(row: Row) -> tuple[str, ParamsKey]:
    """Input and params of a row."""
    return row.cell.input, key_of(row.cell.params)


def sizes(rows: list[Row], machine: Machine) -> list[Chart]:
    """A kernel's time of an item, or its other measure, by size: a chart for each input and choice
    of params, on the fewest threads."""
    charts = []
    usable = [row for row in rows if row.value and not row.impossible]
    for input_, params in dict.fromkeys(map(_choice, usable)):
        own = [row for row in usable if _choice(row) == (input_, params)]
        fewest = min(row.cell.ladder_threads for row in own)
        own = [row for row in own if row.cell.ladder_threads == fewest]
        if len({row.cell.n for row in own}) < 2:
            continue
        sets = {row.cell.n: row.cell.working_set for row in own}
        in_order = [sets[n] for n in sorted(sets)]
        by_bytes = all(in_order) and all(a < b for a, b in zip(in_order, in_order[1:]))
        colours = colours_of(own)
        series = []
        for variant in dict.fromkeys(row.cell.variant for row in own):
            points = []
            for row in own:
                y = row.ns_per_item if row.cell.by_time else row.value
                if row.cell.variant == variant and not row.cell.beside and y is not None:
                    x = float(sets[row.cell.n] if by_bytes else row.cell.n)
                    points.append(Point(x, y, name=f"{variant} n {row.cell.n:,}: {row.told}"))
            points = _usable(sorted(points))
            index = colours[variant]
            if points:
                series.append(Series(variant, points, index, max(0, index) // 7 % 4))
        if not series:
            continue
        kernel = own[0].cell.kernel
        more = f", {input_}" if len(kernel["inputs"]) > 1 else ""
        more += "".join(f", {name} {value:,}" for name, value in params)
        measure, unit = kernel["measure"]["name"], kernel["measure"]["unit"]
        what = "time of an item" if own[0].cell.by_time else measure
        axis = Axis("working set", "bytes", True) if by_bytes else Axis("n", "number", True)
        charts.append(Chart(
            f"{kernel['name']}{more}: by size",
            f"{what} by size: ".capitalize()
            + _told(series, functools.partial(value_of, unit=unit)),
            axis, Axis(what, "ns" if unit == "ns" else "number", True), series,
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
    """A kernel's thread sweeps: points with intervals, the fitted law dashed."""
    charts = []
    mine = [entry for entry in fits if entry["kernel"] == kernel["name"]]
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
            curve = [1 + (top - 1) * at / 24 for at in range(25)]
            values = [(x, _speedup_on(entry, x)) for x in curve]
            fitted = [Point(x, y) for x, y in values if y]
            if fitted:
                series.append(Series("", fitted, index, 1, False))
        if not series:
            continue
        ideal = [Point(1.0, 1.0), Point(float(largest), float(largest))]
        series.append(Series("ideal", ideal, BASELINE, 2, False))
        label = ladder_label(n, input_, 1, dict(params), len(kernel["inputs"]))
        told = "; ".join(f"{s.name}, {s.points[-1].name}" for s in series if s.markers)
        charts.append(Chart(
            f"{kernel['name']}, {label}: by threads", f"Speedup over one thread: {told}.",
            Axis("threads", "count", False), Axis("speedup over one thread", "factor", False),
            series,
        ))  # fmt: skip
    return charts


def axes(base: Side, new: Side, tree: Comparison) -> Bars:
    """The axis indices of a comparison."""
    rows = []
    for axis in tree["axes"]:
        note = ("contaminated" if axis["contaminated"] else "control") if axis["control"] else ""
        told = f"{ratio_of(axis['ratio'])} [{interval_of(axis) or 'no interval'}]"
        note = ", ".join(filter(None, (f"{axis['kernels']} of {axis['of']} kernels", note)))
        rows.append(Bar(axis["axis"], axis["ratio"], axis["lo"], axis["hi"], told, 0, note=note))
    words = "; ".join(f"{bar.label} {bar.told}" for bar in rows)
    names = [safe(f"{side.run['machine']} · {side.run['label']}") for side in (base, new)]
    return Bars(f"{names[1]} against {names[0]}", f"Axis indices: {words}.",
                Axis("the base's time over the new one's: above 1x it is faster", "factor", True),
                1.0, rows)  # fmt: skip


# --- `headroom plot`

KINDS = {
    "memory": "the memory mountain: bandwidth and latency against working set",
    "roofline": "every variant that does floating-point work, under the machine's ceilings",
    "ladders": "speedups with intervals against the ceiling",
    "launches": "how the launches of each variant lie around their median",
    "sizes": "time of an item by size",
    "threads": "thread sweeps, with Amdahl's or the Universal Scalability Law",
    "axes": "axis indices of BASE against each NEW",
}
PANELS = 24


def _by_kernel(view: View, pattern: re.Pattern[str]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in view.claims:
        if pattern.search(row.cell.kernel["name"]):
            found.setdefault(row.cell.kernel["name"], []).append(row)
    return list(found.values())


def panels_of(kind: str, views: list[View], pattern: re.Pattern[str]) -> list[Chart | Bars]:
    """The pictures of one kind, except `axes`. HeadroomError for none, or too many for one page."""
    panels: list[Chart | Bars] = []
    for view in views:
        if kind == "memory":
            panels += memory(view)
        elif kind == "roofline":
            panels += roofline(view)
        for rows in _by_kernel(view, pattern) if kind not in ("memory", "roofline") else ():
            if kind in ("ladders", "launches"):
                make = ladder if kind == "ladders" else launches
                panels += [make(own) for own in ladders_of(rows)]
            elif kind == "sizes":
                panels += sizes(rows, view.machine)
            else:
                panels += threads(view.fits, rows[0].cell.kernel)
    panels = [panel for panel in panels if isinstance(panel, Chart) or panel.rows]
    if not panels:
        cure = {
            "memory": "measure probes: `headroom run --filter '^machine/'`",
            "roofline": "measure probes: `headroom run --filter '^machine/'`",
            "sizes": "measure more sizes, with --profile thorough",
            "threads": "measure on two thread counts: --filter '^(parallel|concurrency)/'",
        }.get(kind, "see --filter")
        raise HeadroomError(f"{kind}: nothing to draw in {views[0].run['name']}; {cure}")
    if len(panels) > PANELS:
        raise HeadroomError(
            f"{kind}: {len(panels)} pictures are too many for one page: choose up to {PANELS} with "
            "--filter RE, or `headroom report`"
        )
    return panels
