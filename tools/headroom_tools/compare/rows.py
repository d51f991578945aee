"""Cell by cell: time on both sides, ratio, interval, verdict; and how each ladder changed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy

from headroom_tools import stats
from headroom_tools.compare import between_runs
from headroom_tools.compare.between_runs import Differences, Runs
from headroom_tools.compare.leans import Caches
from headroom_tools.compare.loaded import columns, key_of
from headroom_tools.compare.sides import Side, by_run, launches_of
from headroom_tools.compare.standard import over_standard
from headroom_tools.compare.types import CellKey, LadderRow, Row
from headroom_tools.record.cells import Cell, of_launches
from headroom_tools.record.types import LadderKey, key_of as params_key
from headroom_tools.show.rows import BAND

CELL = ("kernel", "variant", "n", "input", "threads", "params")


def key_of_row(row: Row | LadderRow) -> CellKey:
    """CELL of a row, as the keys of Side.cells."""
    params = params_key(row["params"])
    return row["kernel"], row["variant"], row["n"], row["input"], row["threads"], params


class Judged(NamedTuple):
    """What is said of each row of `Differences`. lo, hi: factors."""

    ratio: list[float]
    lo: list[float | None]
    hi: list[float | None]
    verdict: list[str | None]
    adjusted: list[float | None]


def judged(found: Differences, band: float) -> Judged:
    """Intervals, verdicts and adjusted p of all rows.

    adjusted: p of the difference that the row shows, for all rows of the same direction. A noise
    floor has no part in it: it is what two copies within one run differ by, and between runs that
    is in the spread already.
    """
    means, halves = found.mean.tolist(), between_runs.halves(found).tolist()
    made = Judged([], [], [], [], [])
    for mean, half in zip(means, halves):
        made.ratio.append(stats.factor_of(mean))
        known = not math.isnan(half)
        made.lo.append(stats.factor_of(mean - half) if known else None)
        made.hi.append(stats.factor_of(mean + half) if known else None)
        interval = stats.Interval(mean - half, mean + half, stats.COVERAGE) if known else None
        made.verdict.append(stats.verdict([interval], band))
    faster, slower = (
        stats.benjamini_hochberg([None if math.isnan(p) else p for p in tails.tolist()])
        for tails in between_runs.p_beyond(found, band)
    )
    for mean, *both in zip(means, faster, slower):
        known_ = [p for p in both if p is not None]
        made.adjusted.append(both[mean < 0] if mean else max(known_, default=None))
    return made


def comparable(one: Cell, other: Cell) -> bool:
    """Whether two figures of one CELL are of one thing: by the same measure, on the same kind of
    device, on as many hosts. OpenCL on a CPU is not held against a GPU, nor one host's memory
    against a network."""
    return one.measure == other.measure and one.kind == other.kind


def shared_cells(base: Side, new: Side) -> list[CellKey]:
    """The cells that both sides measured by the same measure, on the same kind of device."""
    there = [~numpy.isnan(side.numbers.value) for side in (base, new)]
    return [
        key
        for key in base.cells
        if key in new.cells
        and comparable(base.cells[key], new.cells[key])
        and there[0][base.numbers.index[key]]
        and there[1][new.numbers.index[key]]
    ]


def differences_of(base: Side, new: Side, keys: list[CellKey], axes: list[str]) -> Differences:
    """Base less new of those cells; axes: what each leans on."""
    at = [[side.numbers.index[key] for key in keys] for side in (base, new)]
    old, now = (side.numbers.runs.rows(rows) for side, rows in zip((base, new), at))
    # Two repeats that are held against each other have the same runs beside them: these count once.
    sides = (base,) if base.repeats == new.repeats else (base, new)
    beside = [side.numbers.beside[rows] for side, rows in zip(sides, at)]
    return between_runs.differences(old, now, axes, between_runs.CELLS, beside)


def rows_of(base: Side, new: Side, band: float = BAND) -> list[Row]:
    """One row for each cell that both sides have: ratio > 1 means that NEW is faster.

    The ratio is that of the values beside it. Its interval is a moderated t over runs
    (between_runs). `adjusted` is for the whole family.
    """
    keys = shared_cells(base, new)
    if not keys:
        return []
    caches = Caches(base.machine, new.machine)
    axes = [caches.axis_of(new.cells[key]) for key in keys]
    found = differences_of(base, new, keys, axes)
    told = judged(found, band)
    at = [[side.numbers.index[key] for key in keys] for side in (base, new)]
    values = [side.numbers.value[rows].tolist() for side, rows in zip((base, new), at)]
    base_ns, new_ns = base.numbers.ns[at[0]].tolist(), new.numbers.ns[at[1]].tolist()
    deviations = found.deviation.tolist()
    needed = between_runs.runs_needed(found, band)
    over = [over_standard(side, [side.cells[key] for key in keys]) for side in (base, new)]
    rows: list[Row] = []
    for index, key in enumerate(keys):
        before, cell = base.cells[key], new.cells[key]
        rows.append(
            {
                "kernel": key[0],
                "variant": key[1],
                "n": key[2],
                "input": key[3],
                "threads": key[4],
                "params": cell.params,
                "axis": axes[index],
                "measure": cell.measure["name"],
                "unit": cell.measure["unit"],
                "base_value": values[0][index],
                "new_value": values[1][index],
                "base_ns": base_ns[index],
                "new_ns": new_ns[index],
                "ratio": told.ratio[index],
                "lo": told.lo[index],
                "hi": told.hi[index],
                "verdict": told.verdict[index],
                "adjusted": told.adjusted[index],
                "run_spread": None if math.isnan(deviations[index]) else deviations[index],
                "runs_for_5_percent": needed[index],
                "role": cell.role,
                "lacks": cell.lacks,
                "base_ns_per_item": base_ns[index] / before.items,
                "new_ns_per_item": new_ns[index] / cell.items,
                "base_over_standard": over[0][index],
                "new_over_standard": over[1][index],
            }
        )
    return rows


def best_of(side: Side, ladder: LadderKey, among: set[CellKey] | None = None) -> Cell | None:
    """The best rung of a ladder that is not its baseline and keeps its promise; None without.

    among: the cells (as key_of) that count.
    """
    rungs = [
        cell
        for cell in side.rungs.get(ladder, ())
        if not (cell.beside or cell.is_baseline(cell.baseline) or cell.lacks)
        and (among is None or key_of(cell) in among)
        and key_of(cell) in side.numbers.index
    ]
    values = {id(cell): side.numbers.value[side.numbers.index[key_of(cell)]] for cell in rungs}
    known = [cell for cell in rungs if not math.isnan(values[id(cell)])]
    return min(known, key=lambda cell: cell.cost(values[id(cell)])) if known else None


def _has_speedup(cell: Cell) -> bool:
    """Whether it is a rung above a baseline that measured something."""
    if cell.kernel["probe"] or cell.kernel["placebo"] or cell.beside:
        return False
    return not cell.is_baseline(cell.baseline) and bool(of_launches(cell.log_ratio))


def rungs_of(side: Side) -> dict[tuple[LadderKey, CellKey], Cell]:
    """All rungs of a side that have a speedup."""
    return {
        (where, key_of(cell)): cell
        for where, rungs in side.rungs.items()
        for cell in rungs
        if _has_speedup(cell)
    }


def speedups_of(cells: list[Cell], side: Side) -> Runs:
    """The log speedups of each run of a side, by cell."""
    columns_ = columns([cell.log_ratio for cell in cells])
    parts = by_run(columns_, launches_of(side.runs))
    return between_runs.joined([between_runs.of_ratios(part) for part in parts], len(cells))


class _Pair(NamedTuple):
    """A rung on both sides, and on which of them it is the ladder's fastest."""

    base: Cell
    new: Cell
    best_base: bool
    best_new: bool


def ladders_of(base: Side, new: Side, band: float = BAND) -> list[LadderRow]:
    """How each pair's speedup over its baseline changed: 12x on BASE and 3x on NEW.

    A row for each rung that both sides have above the same baseline. Speedups are paired within
    their rounds, but two runs of the same code have different ones all the same: their spread is
    that between runs, as for times. best_base and best_new say whether the rung is its side's
    fastest.
    """
    found: list[_Pair] = []
    for where, rungs in base.rungs.items():
        others = {(cell.variant, cell.threads): cell for cell in new.rungs.get(where, ())}
        both = {
            key_of(cell)
            for cell in rungs
            if (cell.variant, cell.threads) in others
            and comparable(cell, others[cell.variant, cell.threads])
        }
        best = [best_of(side, where, both) for side in (base, new)]
        for cell in rungs:
            other = others.get((cell.variant, cell.threads))
            if other is None or not _has_speedup(cell) or not _has_speedup(other):
                continue
            if cell.baseline != other.baseline or not comparable(cell, other):
                continue
            key = key_of(cell)
            is_best = [one is not None and key == key_of(one) for one in best]
            found.append(_Pair(cell, other, is_best[0], is_best[1]))
    if not found:
        return []
    caches = Caches(base.machine, new.machine)
    axes = [caches.axis_of(pair.base) for pair in found]
    old = speedups_of([pair.base for pair in found], base)
    now = speedups_of([pair.new for pair in found], new)
    # Base less new is of costs: speedups the other way round, so that above 1 is a higher ladder.
    between = between_runs.differences(now, old, axes, between_runs.LADDERS)
    told = judged(between, band)
    needed = between_runs.runs_needed(between, band)
    over = [
        over_standard(base, [pair.base for pair in found]),
        over_standard(new, [pair.new for pair in found]),
    ]
    middles = [between_runs.mean_of(runs.value).tolist() for runs in (old, now)]
    rows: list[LadderRow] = []
    for index, pair in enumerate(found):
        cell = pair.base
        change = told.verdict[index]
        rows.append(
            {
                "kernel": cell.kernel["name"],
                "variant": cell.variant,
                "n": cell.n,
                "input": cell.input,
                "threads": cell.threads,
                "params": cell.params,
                "ladder_threads": cell.ladder_threads,
                "axis": axes[index],
                "baseline": cell.baseline,
                "best_base": pair.best_base,
                "best_new": pair.best_new,
                "base_speedup": stats.factor_of(middles[0][index]),
                "new_speedup": stats.factor_of(middles[1][index]),
                "base_over_standard": over[0][index],
                "new_over_standard": over[1][index],
                "ratio": told.ratio[index],
                "lo": told.lo[index],
                "hi": told.hi[index],
                "change": {"faster": "higher", "slower": "lower"}.get(change or "", change),
                "adjusted": told.adjusted[index],
                "runs_for_5_percent": needed[index],
            }
        )
    return rows
