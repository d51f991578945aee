"""Cell by cell: time on both sides, ratio, interval, verdict; and how each ladder changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy
from scipy.special import stdtrit

from headroom_tools import stats
from headroom_tools.compare.sides import Side, columns, key_of, median_of, moments, spread_of
from headroom_tools.compare.types import CellKey, LadderRow, Row
from headroom_tools.record.cells import Cell, of_launches
from headroom_tools.record.types import LadderKey, key_of as params_key
from headroom_tools.show.rows import BAND

if TYPE_CHECKING:
    from headroom_tools.compare.sides import Floats, Moments

CELL = ("kernel", "variant", "n", "input", "threads", "params")


class Welch(NamedTuple):
    """Differences of means, with half-widths of 95%; NaN where a side has fewer than 2 launches."""

    mean: Floats
    half: Floats


def welch(base: Moments, new: Moments, within: float = stats.COVERAGE) -> Welch:
    """Welch's intervals for many rows at once: each side is (count, mean, variance)."""
    with numpy.errstate(invalid="ignore", divide="ignore"):
        a, b = base[2] / base[0], new[2] / new[0]
        freedom = (a + b) ** 2 / (a**2 / (base[0] - 1) + b**2 / (new[0] - 1))
        freedom = numpy.where(a + b == 0, base[0] + new[0] - 2, freedom)
        half = stdtrit(freedom, 0.5 + within / 2) * numpy.sqrt(a + b)
    return Welch(base[1] - new[1], half)


def key_of_row(row: Row | LadderRow) -> CellKey:
    """CELL of a row, as the keys of Side.cells."""
    params = params_key(row["params"])
    return row["kernel"], row["variant"], row["n"], row["input"], row["threads"], params


def verdict_of(lo: float, hi: float, band: float) -> str | None:
    """The verdict on an interval in logs; None where it is NaN."""
    if math.isnan(lo):
        return None
    return stats.verdict([stats.Interval(lo, hi, stats.COVERAGE)], band)


def floor_of(base: Side, new: Side, class_: str) -> float:
    """The noise floor of a noise class on the two sides: the larger of the two."""
    return max(base.floors.get(class_, 1.0), new.floors.get(class_, 1.0))


def rows_of(base: Side, new: Side, band: float = BAND) -> list[Row]:
    """One row for each cell that both sides have: ratio > 1 means that NEW is faster.

    The interval of a row is Welch's over launches, joined in quadrature by each side's spread
    between runs; no verdict is given below the noise floor.
    """
    keys = [
        key
        for key in base.cells
        if key in new.cells
        and base.cells[key].measure == new.cells[key].measure
        and base.numbers.count[base.numbers.index[key]]
        and new.numbers.count[new.numbers.index[key]]
    ]
    if not keys:
        return []
    at = [[side.numbers.index[key] for key in keys] for side in (base, new)]
    old, now = (
        (n.count[rows], n.mean[rows], n.variance[rows])
        for n, rows in zip((base.numbers, new.numbers), at)
    )
    found = welch(old, now)
    axes = [new.cells[key].kernel["axis"] for key in keys]
    spread = {
        axis: spread_of(base, axis) ** 2 + spread_of(new, axis) ** 2 for axis in set(axes)
    }
    halves = numpy.sqrt(found.half**2 + numpy.array([spread[axis] for axis in axes])).tolist()
    means = found.mean.tolist()
    base_ns, new_ns = base.numbers.ns[at[0]].tolist(), new.numbers.ns[at[1]].tolist()
    values = [side.numbers.value[rows].tolist() for side, rows in zip((base, new), at)]
    bands = {
        class_: max(band, floor_of(base, new, class_) - 1)
        for class_ in {new.cells[key].kernel["noise_class"] for key in keys}
    }
    rows: list[Row] = []
    for index, key in enumerate(keys):
        before, cell = base.cells[key], new.cells[key]
        mean, half = means[index], halves[index]
        known = not math.isnan(half)
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
                "ratio": stats.factor_of(mean),
                "lo": stats.factor_of(mean - half) if known else None,
                "hi": stats.factor_of(mean + half) if known else None,
                "verdict": verdict_of(mean - half, mean + half, bands[cell.kernel["noise_class"]]),
                "role": cell.role,
                "lacks": cell.lacks,
                "base_ns_per_item": base_ns[index] / before.items,
                "new_ns_per_item": new_ns[index] / cell.items,
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


def _claims(cell: Cell) -> bool:
    return not (cell.kernel["probe"] or cell.kernel["placebo"])


class _Pair(NamedTuple):
    """A rung on both sides, and on which of them it is the ladder's fastest."""

    base: Cell
    new: Cell
    best_base: bool
    best_new: bool


def ladders_of(base: Side, new: Side, band: float = BAND) -> list[LadderRow]:
    """How each pair's speedup over its baseline changed: 12x on BASE and 3x on NEW.

    A row for each rung that both sides have above the same baseline. Speedups are paired within
    their rounds, so the spread between runs doesn't enter; what their placebos strayed does.
    best_base and best_new say whether the rung is its side's fastest.
    """
    found: list[_Pair] = []
    for where, rungs in base.rungs.items():
        others = {(cell.variant, cell.threads): cell for cell in new.rungs.get(where, ())}
        both = {key_of(cell) for cell in rungs if (cell.variant, cell.threads) in others}
        best = [best_of(side, where, both) for side in (base, new)]
        for cell in rungs:
            other = others.get((cell.variant, cell.threads))
            if other is None or cell.beside or cell.is_baseline(cell.baseline):
                continue
            if not _claims(cell) or cell.baseline != other.baseline:
                continue
            if not of_launches(cell.log_ratio) or not of_launches(other.log_ratio):
                continue
            key = key_of(cell)
            is_best = [one is not None and key == key_of(one) for one in best]
            found.append(_Pair(cell, other, is_best[0], is_best[1]))
    if not found:
        return []
    old = columns([pair.base.log_ratio for pair in found])
    now = columns([pair.new.log_ratio for pair in found])
    # welch gives base - new: the other way round here, so that above 1 means a higher ladder.
    differences = welch(moments(now), moments(old))
    middles = [median_of(values).tolist() for values in (old, now)]
    rows: list[LadderRow] = []
    for index, pair in enumerate(found):
        cell = pair.base
        edge = max(band, floor_of(base, new, cell.kernel["noise_class"]) - 1)
        mean, half = float(differences.mean[index]), float(differences.half[index])
        known = not math.isnan(half)
        change = verdict_of(mean - half, mean + half, edge)
        rows.append(
            {
                "kernel": cell.kernel["name"],
                "variant": cell.variant,
                "n": cell.n,
                "input": cell.input,
                "threads": cell.threads,
                "params": cell.params,
                "ladder_threads": cell.ladder_threads,
                "axis": cell.kernel["axis"],
                "baseline": cell.baseline,
                "best_base": pair.best_base,
                "best_new": pair.best_new,
                "base_speedup": stats.factor_of(middles[0][index]),
                "new_speedup": stats.factor_of(middles[1][index]),
                "ratio": stats.factor_of(mean),
                "lo": stats.factor_of(mean - half) if known else None,
                "hi": stats.factor_of(mean + half) if known else None,
                "change": {"faster": "higher", "slower": "lower"}.get(change or "", change),
            }
        )
    return rows
