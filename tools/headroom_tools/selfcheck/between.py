"""How far runs of identical code differ, and what `compare` makes of them: its error rates, its
power and its axis intervals, measured on whole runs."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Iterable, NamedTuple, Sequence, TypedDict

import numpy
from rich.console import Console

from headroom_tools import stats
from headroom_tools.base import terminal
from headroom_tools.base.errors import HeadroomError
from headroom_tools.compare import between_runs
from headroom_tools.compare.axes import index_of
from headroom_tools.compare.between_runs import CELLS, LADDERS
from headroom_tools.compare.rows import judged
from headroom_tools.selfcheck import priors, repeats
from headroom_tools.selfcheck.repeats import Draw, Group, Table
from headroom_tools.show.rows import BAND, MOVED

RUNS = (1, 2, 3, 5)  # a side
DRAWS = 200
SEED = 1
POWER_AXES = ("scalar", "simd", "cache")
EFFECT = 0.10
POWER = {1: 0.55, 2: 0.85, 3: 0.95, 5: 0.97}
SLACK = 0.005  # by which power may fall with more runs, as draws are few
MEMORY = ("memory-bandwidth", "memory-latency")
MEMORY_GAIN, SCALAR_GAIN = 0.20, 0.05
MOVES = 0.9
COVERED, TOO_WIDE = 0.94, 1.5
_STYLE = {True: "green", False: "bold red"}


class Target(NamedTuple):
    """What is to be reached, and whether it is."""

    what: str
    limit: float
    at_most: bool
    measured: float
    trials: int

    @property
    def met(self) -> bool:
        return self.measured <= self.limit if self.at_most else self.measured >= self.limit


@dataclass
class Counted:
    """What comparisons of identical code came to, with one number of runs a side.

    rows, ladders: shares with a false verdict, by comparison. failed: whether --fail-on
    would have, for each direction.
    power: shares of cells in which a true 10% was found. adjusted: the same after adjustment for
    the family. half: typical half-widths. axes: by axis, (ratio in logs, half-width in logs).
    """

    rows: list[float] = field(default_factory=list)
    ladders: list[float] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)
    power: list[float] = field(default_factory=list)
    adjusted: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    axes: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def moved(self, axes: Iterable[str], gain: float) -> list[bool]:
        """Whether an index moves where all cells of its axis gain that much."""
        return [
            ratio + math.log1p(gain) - half > 0 for axis in axes for ratio, half in self.axes[axis]
        ]

    def covered(self) -> list[bool]:
        """Whether an index's interval holds 1."""
        return [abs(ratio) <= half for own in self.axes.values() for ratio, half in own]

    def width(self, axis: str) -> float:
        """An axis's typical half-width over what 95% of its ratios would stay within."""
        logs, halves = zip(*self.axes[axis])
        spread = math.sqrt(sum(value * value for value in logs) / len(logs))
        return median(halves) / (stats.t_quantile(math.inf) * spread) if spread else math.inf


def _mean(values: list[float] | list[bool]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def count_cells(draw: Draw, into: Counted) -> None:
    """Compares the two sides' cells as `compare` does, as they are and with a true 10%."""
    table = draw.table
    found = between_runs.differences(draw.base, draw.new, table.axes, CELLS)
    told = judged(found, BAND)
    into.rows.append(_mean([verdict in MOVED for verdict in told.verdict]))
    adjusted = [p is not None and p <= stats.ALPHA for p in told.adjusted]
    for verdict in MOVED:
        into.failed.append(any(a and v == verdict for a, v in zip(adjusted, told.verdict)))
    counted = [at for at, axis in enumerate(table.axes) if axis in POWER_AXES]
    faster = judged(found._replace(mean=found.mean + math.log1p(EFFECT)), BAND)
    if counted:
        into.power.append(_mean([faster.verdict[at] == "faster" for at in counted]))
        into.adjusted.append(_mean([
            faster.verdict[at] == "faster" and (faster.adjusted[at] or 0.0) <= stats.ALPHA
            for at in counted
        ]))  # fmt: skip
        into.half.append(float(numpy.median(between_runs.halves(found)[counted])))
    _count_axes(draw, into)


def _count_axes(draw: Draw, into: Counted) -> None:
    rows: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, (axis, kernel) in enumerate(zip(draw.table.axes, draw.table.kernels)):
        if kernel:
            rows[axis][kernel].append(at)
    for axis, kernels in rows.items():
        own_rows = [row for own in kernels.values() for row in own]
        where, first = [], 0
        for own in kernels.values():
            where.append(list(range(first, first + len(own))))
            first += len(own)
        index = index_of(axis, draw.base.rows(own_rows), draw.new.rows(own_rows), where)
        if index["hi"] is not None:
            log = math.log(index["ratio"])
            into.axes[axis].append((log, math.log(index["hi"]) - log))


def count_ladders(draw: Draw, into: Counted) -> None:
    """The same of ladders, false verdicts alone."""
    found = between_runs.differences(draw.new, draw.base, draw.table.axes, LADDERS)
    told = judged(found, BAND)
    into.ladders.append(_mean([verdict in MOVED for verdict in told.verdict]))


def _counted(groups: list[Group]) -> tuple[dict[int, Counted], dict[int, Counted]]:
    """By runs a side: of the runs as they are, and of runs resampled from their residuals."""
    real: dict[int, Counted] = {}
    drawn: dict[int, Counted] = {}
    machines: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        machines[group.machine].append(group)
    for runs in RUNS:
        own = Counted()
        for group in groups:
            for draw in repeats.splits(group.cells, runs):
                count_cells(draw, own)
            for draw in repeats.splits(group.ladders, runs):
                count_ladders(draw, own)
        if own.rows:
            real[runs] = own
        made = Counted()
        for together in machines.values():
            # Of just two runs the residuals are one, and its mirror image.
            if sum(len(group.names) for group in together) < max(3, 2 * runs):
                continue
            cells = repeats.residuals([group.cells for group in together])
            ladders = repeats.residuals([group.ladders for group in together])
            for draw in repeats.resampled(cells, runs, DRAWS, SEED):
                count_cells(draw, made)
            for draw in repeats.resampled(ladders, runs, DRAWS, SEED):
                count_ladders(draw, made)
        if made.rows:
            drawn[runs] = made
    return real, drawn


def targets_of(counted: dict[int, Counted], kind: str) -> list[Target]:
    """What comparisons of one kind (`runs`, `resampled`) are to reach, and what they reached."""
    found = []
    for runs, own in counted.items():
        sides = f"{kind}, {runs}+{runs}: "
        count = len(own.rows)
        for what, shares in (("rows", own.rows), ("ladders", own.ladders)):
            if shares:
                what = f"{sides}{what} with a false verdict"
                found.append(Target(what, 0.01, True, _mean(shares), count))
        what = sides + "comparisons that fail --fail-on"
        found.append(Target(what, 0.05, True, _mean(own.failed), count))
        if own.power:
            what = sides + f"{100 * EFFECT:.0f}% found in {', '.join(POWER_AXES)} cells"
            found.append(Target(what, POWER[runs], False, _mean(own.power), len(own.power)))
        held = own.covered()
        if held:
            what = sides + "axis intervals that hold 1"
            found.append(Target(what, COVERED, False, _mean(held), len(held)))
    found += _targets_of_axes(counted, kind)
    powers = [_mean(own.power) for own in counted.values() if own.power]
    if len(powers) > 1:
        least = min(after - before for before, after in zip(powers, powers[1:]))
        what = f"{kind}: power gained by more runs"
        found.append(Target(what, -SLACK, False, least, len(powers)))
    return found


def _targets_of_axes(counted: dict[int, Counted], kind: str) -> list[Target]:
    found = []
    for runs, axes, gain in ((1, MEMORY, MEMORY_GAIN), (3, ("scalar",), SCALAR_GAIN)):
        own = counted.get(runs)
        moved = own.moved(axes, gain) if own else []
        if moved:
            what = f"{kind}, {runs}+{runs}: {100 * gain:.0f}% moves {', '.join(axes)}"
            found.append(Target(what, MOVES, False, _mean(moved), len(moved)))
    one = counted.get(1)
    if one:
        widths = {axis: one.width(axis) for axis in one.axes if len(one.axes[axis]) > 5}
        if widths:
            worst = max(widths, key=lambda axis: widths[axis])
            what = f"{kind}, 1+1: axis interval / spread seen, {worst}"
            found.append(Target(what, TOO_WIDE, True, widths[worst], len(widths)))
    return found


class AxisSpread(TypedDict):
    """How far runs differ in an axis: typical and 95% within, of a cell; of the index the standard
    deviation that was seen, and the half-width stated over what 95% would stay within."""

    axis: str
    cells: int
    typical: float
    spread: float
    index_spread: float | None
    index_width: float | None


class Rates(TypedDict):
    """What comparisons came to, with `runs` a side; shares."""

    kind: str
    runs: int
    comparisons: int
    false_rows: float
    false_ladders: float
    failed: float
    power: float
    power_adjusted: float
    half_width: float


class FittedPrior(TypedDict):
    """A prior as fitted to these runs, and as in use: between, within, freedom."""

    what: str
    axis: str
    differences: int
    fitted: list[float]
    used: list[float]


class TargetOf(TypedDict):
    """A target as JSON."""

    what: str
    limit: float
    at_most: bool
    measured: float
    trials: int
    met: bool


class Found(TypedDict):
    """`selfcheck --between --json`."""

    groups: list[list[str]]
    axes: list[AxisSpread]
    rates: list[Rates]
    priors: list[FittedPrior]
    targets: list[TargetOf]


def _rates(counted: dict[int, Counted], kind: str) -> list[Rates]:
    return [
        {
            "kind": kind,
            "runs": runs,
            "comparisons": len(own.rows),
            "false_rows": _mean(own.rows),
            "false_ladders": _mean(own.ladders),
            "failed": _mean(own.failed),
            "power": _mean(own.power),
            "power_adjusted": _mean(own.adjusted),
            "half_width": math.expm1(_mean(own.half)),
        }
        for runs, own in counted.items()
    ]


def _axes(groups: list[Group], one: Counted | None) -> list[AxisSpread]:
    apart: dict[str, list[float]] = defaultdict(list)
    cells: dict[str, int] = defaultdict(int)
    for group in groups:
        table = repeats.residuals([group.cells])
        for axis in set(table.axes):
            at = [row for row, own in enumerate(table.axes) if own == axis]
            apart[axis] += numpy.abs(table.runs.value[at]).ravel().tolist()
            cells[axis] = max(cells[axis], len(at))
    found: list[AxisSpread] = []
    for axis, values in sorted(apart.items()):
        index = one.axes.get(axis) if one else None
        spread = math.sqrt(_mean([log * log for log, _ in index]) / 2) if index else None
        typical, most = numpy.quantile(values, [0.5, 0.95]).tolist()
        found.append(
            {
                "axis": axis,
                "cells": cells[axis],
                "typical": math.expm1(typical),
                "spread": math.expm1(most),
                "index_spread": spread,
                "index_width": one.width(axis) if one and index else None,
            }
        )
    return found


def spreads(folders: list[Path]) -> Found:
    """`selfcheck --between`: RUNs are sorted into groups of identical code, and compared."""
    groups = repeats.groups_of(folders)
    if not groups:
        raise HeadroomError(
            "--between: takes two or more runs of one commit, build, profile and machine"
        )
    real, drawn = _counted(groups)
    tables: tuple[list[Table], list[Table]] = (
        [group.cells for group in groups], [group.ladders for group in groups]
    )  # fmt: skip
    targets = targets_of(real, "runs") + targets_of(drawn, "resampled")
    return {
        "groups": [group.names for group in groups],
        "axes": _axes(groups, drawn.get(1)),
        "rates": _rates(real, "runs") + _rates(drawn, "resampled"),
        "priors": [
            {"what": one.what, "axis": one.axis, "differences": one.differences,
             "fitted": list(one.fitted), "used": list(one.used)}
            for one in priors.fits(*tables)
        ],
        "targets": [
            {"what": target.what, "limit": target.limit, "at_most": target.at_most,
             "measured": target.measured, "trials": target.trials, "met": target.met}
            for target in targets
        ],
    }  # fmt: skip


def failed(found: Found) -> bool:
    """Whether a target was not met."""
    return not all(target["met"] for target in found["targets"])


def _percent(value: float, digits: int = 1) -> str:
    return "" if math.isnan(value) else f"{100 * value:.{digits}f}%"


def print_spreads(found: Found, to: Console) -> None:
    """The same as tables, the targets last."""
    runs = ", ".join(str(len(names)) for names in found["groups"])
    terminal.title(to, "between runs", f"groups of identical code: {runs} runs")
    table = terminal.Table("<>>>>>")
    heads: Sequence[str]
    heads = ("axis", "cells", "typical", "95% within", "index ±", "interval / spread")
    table.row(*((name, "dim") for name in heads))
    for row in found["axes"]:
        index, width = row["index_spread"], row["index_width"]
        table.row(
            row["axis"],
            f"{row['cells']}",
            f"±{_percent(row['typical'])}",
            f"±{_percent(row['spread'])}",
            "" if index is None else f"±{_percent(index)}",
            "" if width is None else f"{width:.2f}",
        )
    table.print(to)
    to.print()
    terminal.title(to, "comparisons of identical code", "and with a true 10%")
    table = terminal.Table("<>>>>>>>>")
    heads = ("", "runs", "comparisons", "false rows", "ladders", "fail", "10% found", "adjusted",
             "±")  # fmt: skip
    table.row(*((name, "dim") for name in heads))
    for rate in found["rates"]:
        values = [_percent(value) for value in (
            rate["false_rows"], rate["false_ladders"], rate["failed"], rate["power"],
            rate["power_adjusted"], rate["half_width"],
        )]  # fmt: skip
        sides = f"{rate['runs']}+{rate['runs']}"
        table.row((rate["kind"], "dim"), sides, f"{rate['comparisons']:,}", *values)
    table.print(to)
    to.print()
    terminal.title(to, "priors", "between, within, degrees of freedom: fitted here, and in use")
    table = terminal.Table("<<>>>")
    table.row(*((name, "dim") for name in ("", "axis", "differences", "fitted", "in use")))
    for prior in found["priors"]:
        table.row(
            (prior["what"], "dim"),
            prior["axis"],
            f"{prior['differences']:,}",
            *(f"{100 * b:.1f}%  {w:.1f}  {f:.1f}" for b, w, f in (prior["fitted"], prior["used"])),
        )
    table.print(to)
    to.print()
    terminal.title(to, "targets")
    table = terminal.Table("<>>>>")
    table.row(*((name, "dim") for name in ("", "target", "measured", "trials", "")))
    for target in found["targets"]:
        times = target["limit"] == TOO_WIDE
        told = [f"{v:.2f}" if times else _percent(v) for v in (target["limit"], target["measured"])]
        table.row(
            target["what"],
            f"{'<=' if target['at_most'] else '>='} {told[0]}",
            told[1],
            f"{target['trials']:,}",
            ("met" if target["met"] else "missed", _STYLE[target["met"]]),
        )
    table.print(to)
