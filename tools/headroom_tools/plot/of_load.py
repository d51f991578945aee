"""Pictures of what is not time: latency and goodput against the load that is offered, and whatever
else ladders are judged by (a hit ratio, keys moved), as it is."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

from headroom_tools.base.text import ladder_label, value_of
from headroom_tools.plot.of_kernels import colours_of, ladders_of
from headroom_tools.plot.spec import Axis, Bar, Bars, Chart, Point, Series
from headroom_tools.plot.style import LIMIT
from headroom_tools.plot.view import usable
from headroom_tools.record.types import ParamsKey, key_of
from headroom_tools.show.rows import Row

LOAD = "per_second"  # the param that says how many requests are offered per second
SIMULATED = "_simulated"  # what a kernel's simulated sibling has behind its name
_DASHED, _DOTTED = 1, 2  # in style.DASHES
TOGETHER = 4  # variants whose percentiles one picture can show


VALIDATED = "validated"  # what a simulated variant tells: 0 beyond what the model was held against


class _Percentile(NamedTuple):
    quantity: str
    name: str
    dash: int


_PERCENTILES = (_Percentile("p50", "p50", 2), _Percentile("p99", "p99", 0),
                _Percentile("p999", "p99.9", 1))  # fmt: skip


def has_load(row: Row) -> bool:
    """Whether its kernel is measured at several loads."""
    return LOAD in row.cell.params


def is_simulated(row: Row) -> bool:
    """Whether its figures are of simulated time."""
    name = row.cell.kernel["name"]
    return bool(row.cell.kernel.get("simulated", name.endswith(SIMULATED)))


class _Choice(NamedTuple):
    """What the curves of a picture have in common."""

    n: int
    input: str
    threads: int
    rest: ParamsKey


def _choice(row: Row) -> _Choice:
    cell = row.cell
    rest = {name: value for name, value in cell.params.items() if name != LOAD}
    return _Choice(cell.n, cell.input, cell.ladder_threads, key_of(rest))


def _best_choices(rows: list[Row]) -> list[list[Row]]:
    """The rows of each picture: of all sizes the one with most loads, and of these the largest."""
    by_choice: dict[_Choice, list[Row]] = {}
    for row in rows:
        by_choice.setdefault(_choice(row), []).append(row)
    chosen: dict[tuple[object, ...], tuple[tuple[int, int], list[Row]]] = {}
    for choice, own in by_choice.items():
        loads = len({row.cell.params[LOAD] for row in own})
        rank, key = (loads, choice.n), choice[1:]
        if loads > 1 and (key not in chosen or rank > chosen[key][0]):
            chosen[key] = rank, own
    return [own for _, own in chosen.values()]


def _points(rows: list[Row], variant: str, quantity: str) -> list[Point]:
    """What a variant told at each load."""
    unit = "1/s" if quantity == "goodput" else "ns"
    points = []
    for row in rows:
        value = row.cell.quantities.get(quantity)
        if row.cell.variant == variant and value is not None:
            load = row.cell.params[LOAD]
            told = f"{variant}, {load:,} per second: {quantity} {value_of(value, unit)}"
            points.append(Point(float(load), value, name=told))
    return usable(sorted(points))


def _told(series: list[Series], unit: str) -> str:
    parts = [
        f"{s.name} from {value_of(s.points[0].y, unit)} at {s.points[0].x:,.0f} per second to "
        f"{value_of(s.points[-1].y, unit)} at {s.points[-1].x:,.0f}"
        for s in series if s.name and s.markers
    ]  # fmt: skip
    return "; ".join(parts) + "."


def _remark(name: str, of: str, simulated: bool) -> str:
    parts = [name, of, "simulated" if simulated else ""]
    return ", ".join(filter(None, parts))


def _curves(
    rows: list[Row], quantity: _Percentile, named: bool, simulated: bool = False
) -> list[Series]:
    """A curve for each variant. named: whether the percentile stands in its name."""
    colours = colours_of(rows)
    found = []
    for variant in dict.fromkeys(row.cell.variant for row in rows):
        points = _points(rows, variant, quantity.quantity)
        weaker = next(row.cell.weaker for row in rows if row.cell.variant == variant)
        name = f"{variant} ({weaker})" if weaker else variant
        if not points:
            continue
        colour = colours[variant]
        label = _remark(name, quantity.name if named else "", simulated)
        if not simulated:
            dash = quantity.dash if named else max(0, colour) // 7 % 4
            found.append(Series(label, points, colour, dash))
            continue
        beyond = {
            float(row.cell.params[LOAD]) for row in rows
            if row.cell.variant == variant and row.cell.quantities.get(VALIDATED) == 0
        }  # fmt: skip
        known = len(list(itertools.takewhile(lambda point: point.x not in beyond, points)))
        if known:
            found.append(Series(label, points[:known], colour, _DASHED))
        if known < len(points):
            label = "" if known else f"{label}, not validated"
            found.append(Series(label, points[max(0, known - 1):], colour, _DOTTED))
    return found


_X = Axis("offered load, requests per second", "number", True)


def load(rows: list[Row], siblings: list[Row]) -> list[Chart]:
    """A kernel's latencies and goodput against the load that is offered, for each input.

    siblings: the rows of its simulated sibling, whose curves are dashed and of the same colours,
    and dotted beyond what the simulation was held against.
    """
    charts = []
    simulated_beside = {own[0].cell.input: own for own in _best_choices(siblings)}
    for own in _best_choices(rows):
        cell = own[0].cell
        beside = simulated_beside.get(cell.input, [])
        rest = {name: value for name, value in cell.params.items() if name != LOAD}
        label = ladder_label(cell.n, cell.input, cell.ladder_threads, rest,
                             len(cell.kernel["inputs"]))  # fmt: skip
        title = f"{cell.kernel['name']}, {label}"
        if beside and beside[0].cell.n != cell.n:
            title += f" (simulated: n {beside[0].cell.n:,})"
        simulated = is_simulated(own[0])
        variants = {row.cell.variant for row in own}
        together = len(variants) <= TOGETHER and not beside and not simulated
        median, p99, p999 = _PERCENTILES
        groups = [[median, p99, p999]] if together else [[p99], [median], [p999]]
        for group in groups:
            series = [s for one in group for s in _curves(own, one, together, simulated)]
            series += [s for one in group for s in _curves(beside, one, together, True)]
            if not series:
                continue
            what = "latency" if together else f"{group[0].name} latency"
            charts.append(Chart(
                f"{title}: {what} by load", f"{what} against offered load: ".capitalize()
                + _told(series, "ns"), _X, Axis(what, "ns", True), series,
            ))  # fmt: skip
        good = _Percentile("goodput", "goodput", 0)
        series = _curves(own, good, False, simulated) + _curves(beside, good, False, True)
        if series:
            about = f"Goodput against offered load: {_told(series, '1/s')}"
            ends = [min(s.points[0].x for s in series), max(s.points[-1].x for s in series)]
            ideal = Series("all that is offered", [Point(x, x) for x in ends], LIMIT, 2, False)
            charts.append(Chart(
                f"{title}: goodput by load", about, _X,
                Axis("answers in time, per second", "number", True), [*series, ideal],
            ))  # fmt: skip
    return charts


def measures(rows: list[Row]) -> list[Bars]:
    """What each ladder is judged by, where that is not time, of all its variants."""
    pictures = []
    for own in ladders_of([row for row in rows if not row.cell.by_time]):
        cell = own[0].cell
        unit, colours = cell.measure["unit"], colours_of(own)
        known = [row for row in own if row.value is not None and not row.impossible]
        told = functools.partial(value_of, unit=unit)
        values = [row.value for row in known if row.value]
        # Shares are drawn from nothing; what spans decades, from a little below the least.
        log = unit != "ratio" and bool(values) and min(values) > 0
        origin = min(values) / 2 if log else 0.0
        bars = []
        for row in known:
            if row.value is not None and (row.value > 0 or not log):
                label = row.cell.name
                bars.append(Bar(label, row.value, None, None, told(row.value),
                                colours[row.cell.variant]))  # fmt: skip
        words = "; ".join(f"{bar.label} {bar.told}" for bar in bars)
        kind = "ns" if unit == "ns" else "number"
        name = cell.measure["name"]
        pictures.append(Bars(
            f"{cell.kernel['name']}, {cell.label}: {cell.measure_told}",
            f"{name}: {words}.", Axis(name, kind, log), origin, bars,
        ))  # fmt: skip
    return pictures


def load_of(kernel: str, by_kernel: dict[str, list[Row]]) -> list[Chart]:
    """A kernel's pictures, with its simulated sibling's curves; those of a sibling stand there."""
    rows = [row for row in by_kernel[kernel] if has_load(row)]
    if kernel.endswith(SIMULATED) and _best_choices(
        [row for row in by_kernel.get(kernel[: -len(SIMULATED)], []) if has_load(row)]
    ):
        return []
    return load(rows, [row for row in by_kernel.get(kernel + SIMULATED, []) if has_load(row)])
