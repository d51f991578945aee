"""Cell by cell: time on both sides, ratio, interval, verdict; and how each ladder changed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy
from scipy.special import stdtrit

from headroom_tools import stats
from headroom_tools.compare.sides import Side, columns, key_of, median_of, moments, spread_of
from headroom_tools.record.cells import Cell
from headroom_tools.show.rows import BAND

CELL = ("kernel", "variant", "n", "input", "threads")


class Welch(NamedTuple):
    """Differences of means, with half-widths of 95%; NaN where a side has fewer than 2 launches."""

    mean: numpy.ndarray
    half: numpy.ndarray


def welch(base: tuple, new: tuple, within: float = stats.COVERAGE) -> Welch:
    """Welch's intervals for many rows at once: each side is (count, mean, variance)."""
    with numpy.errstate(invalid="ignore", divide="ignore"):
        a, b = base[2] / base[0], new[2] / new[0]
        freedom = (a + b) ** 2 / (a**2 / (base[0] - 1) + b**2 / (new[0] - 1))
        freedom = numpy.where(a + b == 0, base[0] + new[0] - 2, freedom)
        half = stdtrit(freedom, 0.5 + within / 2) * numpy.sqrt(a + b)
    return Welch(base[1] - new[1], half)


def verdict_of(lo: float, hi: float, band: float) -> str | None:
    """The verdict on an interval in logs; None where it is NaN."""
    if math.isnan(lo):
        return None
    return stats.verdict([stats.Interval(lo, hi, stats.COVERAGE)], band)


def floor_of(base: Side, new: Side, kernel: dict) -> float:
    """The noise floor of a kernel on the two sides: the larger of the two."""
    class_ = kernel["noise_class"]
    return max(base.floors.get(class_, 1.0), new.floors.get(class_, 1.0))


def rows_of(base: Side, new: Side, band: float = BAND) -> list[dict]:
    """One row for each cell that both sides have: ratio > 1 means that NEW is faster.

    The interval of a row is Welch's over launches, joined in quadrature by each side's spread
    between runs; no verdict is given below the noise floor.
    """
    keys = [
        key
        for key in base.cells
        if key in new.cells
        and base.numbers.count[base.numbers.index[key]]
        and new.numbers.count[new.numbers.index[key]]
    ]
    if not keys:
        return []
    at = [[side.numbers.index[key] for key in keys] for side in (base, new)]
    moments_ = [
        tuple(column[rows] for column in (n.count, n.mean, n.variance))
        for n, rows in zip((base.numbers, new.numbers), at)
    ]
    found = welch(*moments_)
    axes = [new.cells[key].kernel["axis"] for key in keys]
    spread = {
        axis: spread_of(base, axis) ** 2 + spread_of(new, axis) ** 2 for axis in set(axes)
    }
    halves = numpy.sqrt(found.half**2 + numpy.array([spread[axis] for axis in axes])).tolist()
    means = found.mean.tolist()
    base_ns, new_ns = base.numbers.ns[at[0]].tolist(), new.numbers.ns[at[1]].tolist()
    bands = {
        class_: max(band, floor_of(base, new, {"noise_class": class_}) - 1)
        for class_ in {new.cells[key].kernel["noise_class"] for key in keys}
    }
    rows = []
    for index, key in enumerate(keys):
        old, cell = base.cells[key], new.cells[key]
        mean, half = means[index], halves[index]
        known = not math.isnan(half)
        rows.append(
            {
                **dict(zip(CELL, key)),
                "axis": axes[index],
                "base_ns": base_ns[index],
                "new_ns": new_ns[index],
                "ratio": stats.factor_of(mean) if known else base_ns[index] / new_ns[index],
                "lo": stats.factor_of(mean - half) if known else None,
                "hi": stats.factor_of(mean + half) if known else None,
                "verdict": verdict_of(mean - half, mean + half, bands[cell.kernel["noise_class"]]),
                "role": cell.role,
                "base_ns_per_item": base_ns[index] / old.items,
                "new_ns_per_item": new_ns[index] / cell.items,
            }
        )
    return rows


def best_of(side: Side, ladder: tuple, among: set[tuple] | None = None) -> Cell | None:
    """The fastest rung of a ladder that is not its baseline; None where there is none.

    among: the cells (as key_of) that count.
    """
    rungs = [
        cell
        for cell in side.rungs.get(ladder, ())
        if not (cell.beside or cell.is_baseline(cell.baseline))
        and (among is None or key_of(cell) in among)
        and key_of(cell) in side.numbers.index
    ]
    times = {id(cell): side.numbers.ns[side.numbers.index[key_of(cell)]] for cell in rungs}
    known = [cell for cell in rungs if not math.isnan(times[id(cell)])]
    return min(known, key=lambda cell: times[id(cell)]) if known else None


def _claims(cell: Cell) -> bool:
    return not (cell.kernel["probe"] or cell.kernel["placebo"])


def ladders_of(base: Side, new: Side, band: float = BAND) -> list[dict]:
    """How each pair's speedup over its baseline changed: 12x on BASE and 3x on NEW.

    A row for each rung that both sides have above the same baseline. Speedups are paired within
    their rounds, so the spread between runs doesn't enter; what their placebos strayed does.
    best_base and best_new say whether the rung is its side's fastest.
    """
    rows: list[dict] = []
    ratios: tuple[list, list] = ([], [])
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
            if not any(v is not None for v in cell.log_ratio) or not any(
                v is not None for v in other.log_ratio
            ):
                continue
            ratios[0].append(cell.log_ratio)
            ratios[1].append(other.log_ratio)
            key = key_of(cell)
            rows.append(
                {
                    **dict(zip(CELL, key)),
                    "ladder_threads": cell.ladder_threads,
                    "axis": cell.kernel["axis"],
                    "baseline": cell.baseline,
                    "floor": floor_of(base, new, cell.kernel),
                    "best_base": best[0] is not None and key == key_of(best[0]),
                    "best_new": best[1] is not None and key == key_of(best[1]),
                }
            )
    if not rows:
        return []
    values = [columns(side) for side in ratios]
    of_sides = [moments(side) for side in values]
    # welch gives base - new: the other way round here, so that above 1 means a higher ladder.
    found = welch(of_sides[1], of_sides[0])
    middles = [median_of(side).tolist() for side in values]
    for index, row in enumerate(rows):
        edge = max(band, row.pop("floor") - 1)
        mean, half = float(found.mean[index]), float(found.half[index])
        known = not math.isnan(half)
        change = verdict_of(mean - half, mean + half, edge)
        row.update(
            base_speedup=stats.factor_of(middles[0][index]),
            new_speedup=stats.factor_of(middles[1][index]),
            ratio=stats.factor_of(mean),
            lo=stats.factor_of(mean - half) if known else None,
            hi=stats.factor_of(mean + half) if known else None,
            change={"faster": "higher", "slower": "lower"}.get(change or "", change),
        )
    return rows
